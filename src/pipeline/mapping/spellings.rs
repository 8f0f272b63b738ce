//! How the exports of shops, CRMs and people spell what Klaviyo's columns hold, best first.
//!
//! Spellings are folded ([`crate::profile::words::fold`]): lower case, no accents, letters and digits only. Klaviyo's own
//! header is a spelling of its column, and the best one when it is written exactly so.

use crate::profile::column::ProfileColumn as Column;

/// The spellings of one column.
pub(super) struct Spellings {
    /// Where they go.
    pub(super) column: Column,
    /// Whether they may follow one of [`PREFIXES`]: a "Billing City" is a city, a "Billing ID" is no customer's id.
    pub(super) after_prefix: bool,
    /// The spellings themselves, best first, with blanks between.
    text: &'static str,
}

const fn spelled(column: Column, text: &'static str) -> Spellings {
    Spellings {
        column,
        after_prefix: true,
        text,
    }
}

impl Spellings {
    /// The spellings, best first.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        self.text.split_ascii_whitespace()
    }
}

/// What exports put before a field, best first: the main address before the one for bills, home before work.
pub(super) const PREFIXES: [&str; 19] = [
    "primary",
    "customer",
    "contact",
    "client",
    "user",
    "member",
    "profile",
    "person",
    "personal",
    "defaultaddress",
    "default",
    "address",
    "address1",
    "home",
    "mailing",
    "billing",
    "shipping",
    "work",
    "business",
];

/// Every column that can be guessed.
pub(super) static TABLE: [Spellings; 18] = [
    spelled(
        Column::Email,
        "email emailaddress mail mailaddress emailid email1 email1value emailaddress1 emailadresse mailadresse \
        adresseemail adressemail adresseelectronique courriel correo correoelectronico direcciondecorreo \
        indirizzoemail emailadres epost epostadress",
    ),
    spelled(
        Column::PhoneNumber,
        "phonenumber phone mobilephone mobilephonenumber mobilenumber mobile mobileno cellphone cellphonenumber \
        cellnumber cell telephone telephonenumber tel telno phoneno msisdn contactnumber contactno smsnumber phone1 \
        phone1value mobilnummer mobiltelefon handynummer handy mobil telefonnummer telefon telefonmobil rufnummer \
        telephoneportable portable telephonemobile numerodetelephone telefonomovil movil telefono numerodetelefono \
        celular cellulare telefone telefoonnummer telefoon mobiel",
    ),
    Spellings {
        column: Column::ExternalID,
        after_prefix: false,
        text: "externalid externalcustomerid externaluserid customerid clientid userid memberid contactid personid crmid \
        customernumber customerno clientnumber membernumber kundennummer kundennr kundenid numeroclient \
        numeroduclient idclient idcliente numerodecliente clienteid codigocliente klantnummer recordid uuid guid id \
        accountid",
    },
    spelled(
        Column::FirstName,
        "firstname fname givenname forename first vorname prenom nombre primernombre nombres nome voornaam fornavn \
        fornamn imie",
    ),
    spelled(
        Column::LastName,
        "lastname lname surname familyname last nachname familienname zuname nomdefamille nom apellidos apellido \
        primerapellido cognome sobrenome achternaam etternavn efternavn efternamn nazwisko",
    ),
    spelled(
        Column::Organization,
        "organization organisation company companyname organizationname organisationname organization1name employer \
        businessname accountname firma firmenname unternehmen entreprise societe raisonsociale empresa azienda \
        bedrijf bedrijfsnaam",
    ),
    spelled(
        Column::Title,
        "jobtitle title jobposition organization1title berufsbezeichnung stellenbezeichnung intituleduposte poste \
        puesto cargo",
    ),
    spelled(
        Column::Image,
        "image imageurl avatar avatarurl photo photourl picture pictureurl",
    ),
    spelled(
        Column::Address1,
        "address1 addressline1 streetaddress streetaddress1 streetaddressline1 streetline1 street1 street address \
        addressstreet strasseundhausnummer strassehausnummer strassehausnr strasse anschrift adresse1 adresse rue \
        direccion1 direccion calle domicilio indirizzo adres straat endereco morada",
    ),
    spelled(
        Column::Address2,
        "address2 addressline2 streetaddress2 streetaddressline2 streetline2 street2 apartment apt suite adresszusatz \
        adresse2 complementdadresse complementadresse direccion2",
    ),
    spelled(
        Column::City,
        "city cityname town towncity citytown cityortown locality ort stadt wohnort ville ciudad poblacion localidad \
        citta cidade woonplaats plaats",
    ),
    spelled(
        Column::Region,
        "region state stateprovince stateorprovince province provincestate stateregion statename statecode \
        provincecode regioncode county bundesland kanton provincia comunidadautonoma provincie",
    ),
    spelled(
        Column::Country,
        "country countryname countryregion countryorregion countrycode countryiso countryisocode isocountrycode \
        isocountry nation land landercode landerkennzeichen pays codepays pais codigopais paese",
    ),
    spelled(
        Column::Zip,
        "zip zipcode postalcode postcode zippostalcode postalzipcode zippostcode ziporpostalcode postal pincode plz \
        postleitzahl codepostal cp codigopostal cep postnummer postnr",
    ),
    spelled(
        Column::Latitude,
        "latitude lat geolat geolatitude breitengrad latitud",
    ),
    spelled(
        Column::Longitude,
        "longitude lon lng long geolng geolon geolongitude langengrad longitud",
    ),
    spelled(
        Column::Timezone,
        "timezone timezonename ianatimezone tz zeitzone fuseauhoraire zonahoraria",
    ),
    spelled(
        Column::Locale,
        "locale localecode language languagecode preferredlanguage lang sprache langue idioma lingua taal",
    ),
];
