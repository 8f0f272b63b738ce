//! The words that qualify the name of a column: home, billing, primary.
//!
//! They are folded ([`crate::profile::words::fold`]).

use std::collections::HashMap;
use std::sync::LazyLock;

/// Qualifiers that tell whose column it is, or which of several, best first: a group gives the columns of one address, and of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// No word qualifies it.
    Plain,
    /// The first, the main, the default one.
    Primary,
    /// The customer's, the member's.
    Person,
    /// At home.
    Home,
    /// For letters.
    Mailing,
    /// For bills.
    Billing,
    /// At work.
    Work,
    /// For parcels, which go to other people too.
    Shipping,
}

/// The words of each group, folded, before or after the name of a column.
pub(super) const QUALIFIERS: [(Group, &str); 7] = [
    (
        Group::Primary,
        "primary main default defaultaddress primaryaddress address1 addresses addresses0 defaultlocation \
        principal principale principaux haupt hoofd glowny",
    ),
    (
        Group::Person,
        "customer contact client user member profile person lead attendee guest registrant participant respondent kunde kunden \
        cliente delcliente docliente decliente duclient declient klant ",
    ),
    (
        Group::Home,
        "home personal private privat  prive privee casa abitazione thuis domicile domicilio deldomicilio \
        dedomicilio particular deresidencia residencia residential personnel personnelle perso homeaddress privatadresse \
        physical physicaladdress hem hjem domowy",
    ),
    (
        Group::Mailing,
        "mailing mailingaddress postal postaladdress po correspondence korrespondenz",
    ),
    (
        Group::Billing,
        "billing billingaddress billto bill rechnung rechnungs rechnungsadresse facturation adressedefacturation \
        defacturation facturacion defacturacion direcciondefacturacion fatturazione difatturazione \
        indirizzodifatturazione factuur factuuradres invoice invoiceaddress",
    ),
    (
        Group::Work,
        "work business office geschaftlich dienstlich beruflich bureau pro professionnel professionnelle trabajo \
        deltrabajo detrabajo oficina ufficio lavoro zakelijk werk workaddress businessaddress officeaddress arbete jobb \
        arbejde praca sluzbowy",
    ),
    (
        Group::Shipping,
        "shipping shippingaddress delivery deliveryaddress shipto ship liefer lieferung lieferadresse livraison \
        delivraison adressedelivraison envio deenvio direcciondeenvio spedizione dispedizione indirizzodispedizione \
        bezorg verzend verzendadres leverans levering sa",
    ),
];

/// Words before the name of a column that say only where it comes from.
pub(super) const CONTAINERS: &str = "address location attributes attributeslocation traits contexttraits context properties \
    userproperties gp";

/// Every qualifier with its group.
static GROUPS: LazyLock<HashMap<&str, Group>> = LazyLock::new(|| {
    let groups = QUALIFIERS.iter();
    let phrases = groups.flat_map(|(group, phrases)| {
        let phrases = phrases.split_ascii_whitespace();
        phrases.map(|phrase| (phrase, *group))
    });
    phrases.collect()
});

/// The group that a folded phrase names.
pub(super) fn group_of(phrase: &str) -> Option<Group> {
    GROUPS.get(phrase).copied()
}

/// The group that a folded phrase names before the name of a column.
pub(super) fn group_before(phrase: &str) -> Option<Group> {
    let mut containers = CONTAINERS.split_ascii_whitespace();
    let is_container = containers.any(|container| container == phrase);
    group_of(phrase).or(is_container.then_some(Group::Plain))
}
