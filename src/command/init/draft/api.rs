//! `[klaviyo]` and `[list]` of a draft: what flags give for them.

use std::fmt::Write;

use super::line;
use crate::command::toml_text::{filled_string, string};
use crate::job::file::{Deliver, KlaviyoSection, ListSection};

/// Writes the settings of the API, where there is one that is not usual.
pub(super) fn write_klaviyo(out: &mut String, klaviyo: &KlaviyoSection) -> std::fmt::Result {
    let usual = KlaviyoSection::default();
    let base_url = (klaviyo.base_url != usual.base_url).then_some(&klaviyo.base_url);
    let texts = [
        ("api-key-env", &klaviyo.api_key_env, false),
        ("api-key-file", &klaviyo.api_key_file, true),
        ("base-url", &base_url.cloned(), true),
    ];
    let by_api = klaviyo.deliver == Deliver::Api;
    if !by_api && texts.iter().all(|(_, text, _)| text.is_none()) {
        return Ok(());
    }
    writeln!(out, "\n[klaviyo]")?;
    if by_api {
        writeln!(out, "deliver = \"api\"")?;
    }
    for (key, text, is_filled) in texts {
        match text {
            Some(text) if is_filled => writeln!(out, "{key} = {}", filled_string(text))?,
            Some(text) => writeln!(out, "{key} = {}", string(text))?,
            None => {}
        }
    }
    Ok(())
}

/// Writes the list that the profiles are put on.
pub(super) fn write_list(out: &mut String, list: &ListSection) -> std::fmt::Result {
    writeln!(out, "\n[list]")?;
    let name = list.name.as_deref().unwrap_or_default();
    line(
        out,
        &format!("name = {}", filled_string(name)),
        "or its id: id = \"...\"",
    )?;
    if list.create {
        writeln!(out, "create = true")?;
    }
    Ok(())
}
