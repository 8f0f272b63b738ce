//! The operations that are called, with the vendor's limits and scopes (OpenAPI of revision 2026-07-15, `x-klaviyo-ratelimit`
//! and `x-klaviyo-scopes`; 2026-10-15 has the same, and `list_billing_usage`).

/// An operation, by its id in Klaviyo's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the name says it all
pub enum Operation {
    GetAccounts,
    GetLists,
    CreateList,
    GetList,
    /// `get_list` with `additional-fields[list]=profile_count`, which has a limit of its own.
    GetListWithCount,
    GetProfilesForList,
    AddProfilesToList,
    RemoveProfilesFromList,
    GetProfiles,
    BulkImportProfiles,
    GetBulkImportProfilesJobs,
    GetBulkImportProfilesJob,
    GetErrorsForBulkImportProfilesJob,
    ListBillingUsage,
}

/// How often an operation may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in a second.
    pub burst: u32,
    /// Calls in a minute.
    pub steady: u32,
}

/// The fixed properties of an operation.
pub(super) struct OperationFacts {
    /// For people: what it does, as in "Klaviyo refuses to …".
    pub(super) does: &'static str,
    pub(super) method: &'static str,
    pub(super) rate: Rate,
    pub(super) scopes: &'static [&'static str],
}

const SLOW: Rate = Rate {
    burst: 1,
    steady: 15,
};
const FAST: Rate = Rate {
    burst: 75,
    steady: 750,
};
const BULK: Rate = Rate {
    burst: 10,
    steady: 150,
};
const READ_MEMBERS: &[&str] = &["lists:read", "profiles:read"];
const WRITE_MEMBERS: &[&str] = &["lists:write", "profiles:write"];

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 14] = [
        Self::GetAccounts,
        Self::GetLists,
        Self::CreateList,
        Self::GetList,
        Self::GetListWithCount,
        Self::GetProfilesForList,
        Self::AddProfilesToList,
        Self::RemoveProfilesFromList,
        Self::GetProfiles,
        Self::BulkImportProfiles,
        Self::GetBulkImportProfilesJobs,
        Self::GetBulkImportProfilesJob,
        Self::GetErrorsForBulkImportProfilesJob,
        Self::ListBillingUsage,
    ];

    pub(super) const fn facts(self) -> OperationFacts {
        let (does, method, rate, scopes): (_, _, _, &'static [&'static str]) = match self {
            Self::GetAccounts => ("tell the account", "GET", SLOW, &["accounts:read"]),
            Self::GetLists => ("look up lists", "GET", FAST, &["lists:read"]),
            Self::CreateList => ("make a list", "POST", BULK, &["lists:write"]),
            Self::GetList => ("show the list", "GET", FAST, &["lists:read"]),
            Self::GetListWithCount => ("count the list", "GET", SLOW, &["lists:read"]),
            Self::GetProfilesForList => ("read the list", "GET", FAST, READ_MEMBERS),
            Self::AddProfilesToList => ("add to the list", "POST", BULK, WRITE_MEMBERS),
            Self::RemoveProfilesFromList => ("remove from the list", "DELETE", BULK, WRITE_MEMBERS),
            Self::GetProfiles => ("look up profiles", "GET", FAST, &["profiles:read"]),
            Self::BulkImportProfiles => ("import profiles", "POST", BULK, WRITE_MEMBERS),
            Self::GetBulkImportProfilesJobs | Self::GetBulkImportProfilesJob => {
                ("show import jobs", "GET", BULK, READ_MEMBERS)
            }
            Self::GetErrorsForBulkImportProfilesJob => {
                ("show import errors", "GET", BULK, &["profiles:read"])
            }
            Self::ListBillingUsage => ("tell the plan's usage", "GET", BULK, &["usage:read"]),
        };
        OperationFacts {
            does,
            method,
            rate,
            scopes,
        }
    }

    /// How often it may be called.
    pub const fn rate(self) -> Rate {
        self.facts().rate
    }

    /// The scope that the key needs.
    pub const fn scopes(self) -> &'static [&'static str] {
        self.facts().scopes
    }
}
