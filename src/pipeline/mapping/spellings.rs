//! The spellings of Klaviyo's columns in exports of shops, CRMs and people.
//!
//! Spellings are folded ([`crate::profile::words::fold`]): lower case, no accents, letters and digits only. A `/` in a list
//! begins the next tier: of two spellings in one tier neither is better.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::profile::column::ProfileColumn as Column;

/// The spellings of one column.
pub(super) struct Spellings {
    /// Klaviyo's column.
    pub(super) column: Column,
    /// Whether a [`super::qualifiers::Group`] may qualify them: a "Billing City" is a city, a "Billing ID" is no customer's id.
    pub(super) qualified: bool,
    /// The spellings, best first, with blanks between them and `/` between tiers.
    text: &'static str,
}

const fn spelled(column: Column, text: &'static str) -> Spellings {
    Spellings {
        column,
        qualified: true,
        text,
    }
}

impl Spellings {
    /// Each spelling with its tier, best first.
    pub(super) fn all(&self) -> impl Iterator<Item = (u8, &'static str)> {
        let tiers = (0..).zip(self.text.split('/'));
        tiers.flat_map(|(tier, text)| text.split_ascii_whitespace().map(move |name| (tier, name)))
    }
}

/// The tier of mobile numbers among the spellings of a phone.
pub(super) const MOBILE_TIER: u8 = 0;

/// The first tier of `ExternalID` whose names do not say whose id it is.
pub(super) const GENERIC_ID_TIER: u8 = 4;

/// The tier of a title that may be a form of address, or that of a product.
pub(super) const PLAIN_TITLE_TIER: u8 = 1;

/// Every column that can be guessed.
pub(super) static TABLE: [Spellings; 18] = [
    spelled(
        Column::Email,
        "email emailaddress emailadresse adresseemail adressemail adresseelectronique courriel correo correoelectronico \
        direcciondecorreo direcciondecorreoelectronico direccionemail emailadres epost epostadress epostadresse \
        indirizzoemail indirizzodipostaelettronica enderecodeemail adresemail adresdecourrier adressedecourrier \
        adressedemessagerie emailid email1 email1value email1address emailaddress1 emailprimary smtpaddr \
        メールアドレス eメール eメールアドレス ｅメール 电子邮箱 电子邮件 电子邮件地址 邮箱地址 電子郵件 電郵 / \
        mail mailaddress mailadresse posta postaelettronica メール 邮箱 郵箱",
    ),
    spelled(
        Column::PhoneNumber,
        "mobilephone mobilephonenumber mobilephoneno mobilephonenr mobilenumber mobile mobileno mobilenr phonemobile phonenumbermobile cellphone \
        cellphonenumber cellnumber cell cellular phonecell mobnumber smsnumber smsphonenumber msisdn sms \
        mobilnummer mobilnr mobiltelefon mobiltelefonnummer mobilestelefon mobilfunk mobilfunknummer mobilfunknr \
        handynummer handynr handy mobil telefonmobil telmobil telmobile telefonhandy telephoneportable telportable \
        portable telephonemobile numerodeportable numerodemobile mobilenumero telefonomovil telmovil movil \
        numerodemovil celular telefonocelular telefonecelular cellulare telefonocellulare numerocellulare \
         telemovel telemobile mobiel mobielnummer mobieletelefoon mobieltelefoonnummer gsm gsmnummer \
        mobilnummerr telefonkomorkowy komorka numerkomorkowy komorkowy 携帯電話 携帯電話番号 携帯番号 携帯 手机 手机号 \
        手机号码 移动电话 手機 手機號碼 / \
        phonenumber phone phonenumber1 phone1 phone1value phoneprimary telephone telephonenumber tel telno phoneno \
        telefonnummer telefonnr telefon telnr rufnummer numerodetelephone telefono numerodetelefono numeroditelefono \
        telefone numerodetelefone telefoonnummer telefoon telefonnumer numertelefonu nrtelefonu telf1 telf \
        電話番号 電話 tel番号 电话 电话号码 電話號碼 联系电话 / \
        contactnumber contactno contactphone",
    ),
    Spellings {
        column: Column::ExternalID,
        qualified: false,
        text: "externalid extid externalcustomerid externaluserid externalcontactid uniqueexternalid attributesexternalid \
        customerexternalid / \
        customerid customernumber customerno customernr customercode kundennummer kundennr kundenid kdnr \
        kundnummer kundnr kundid kundenummer kundenr kundeid numeroclient numeroduclient numerodeclient nclient noclient \
        idclient clientno clientnumber codeclient refclient referenceclient identifiantclient numerodecliente nodecliente \
        nocliente ndecliente ncliente idcliente iddecliente iddocliente codigocliente codigodecliente codigodocliente \
        clienteid codicecliente codcliente numerocliente numerodocliente klantnummer klantnr klantid klantcode \
        numerklienta nrklienta idklienta idcustomer kunnr 顧客id 顧客番号 お客様番号 客户id 客户编号 客户编码 / \
        userid memberid memberno membernumber membershipid membershipnumber personid crmid mitgliedsnummer mitgliedsnr \
        benutzerid numeroadherent idutente idusuario numerosocio 会員id 会員番号 会员id 会员编号 会员卡号 用户id 用户编号 / \
        contactid leadid referenceid prospectid / \
        recordid recordidcontact squarecustomerid hsobjectid / \
        uuid guid id / \
        clientid",
    },
    spelled(
        Column::FirstName,
        "firstname fname givenname forename namefirst vorname vornameadressattypnaturlperson prenom primernombre \
        nombres voornaam fornavn fornamn imie nombre nome first 名 ファーストネーム 名字",
    ),
    spelled(
        Column::LastName,
        "lastname lname surname familyname namelast nachname familienname zuname nameadressattypnaturlperson nomdefamille \
        apellidos apellido primerapellido cognome sobrenome apelido ultimonome achternaam etternavn efternavn efternamn \
        nazwisko nom last 姓 姓氏 苗字",
    ),
    spelled(
        Column::Organization,
        "organization organisation company companyname organizationname organisationname organization1name employer \
        businessname accountname firma firmenname firmaname unternehmen entreprise societe nomdelasociete \
        nomdelentreprise raisonsociale empresa razonsocial nombredelaempresa nomedaempresa razaosocial organizacion \
        azienda ragionesociale societa nomeazienda bedrijf bedrijfsnaam foretag foretagsnamn virksomhed firmanavn \
        nazwafirmy nameadressattypunternehmen 会社名 会社 法人名 公司 公司名称 公司名稱",
    ),
    spelled(
        Column::Title,
        "jobtitle jobposition organization1title organizationtitle titlejob jobrole berufsbezeichnung \
        stellenbezeichnung position funktion jobfunction intituleduposte titreduposte poste fonction puesto cargo \
        posizione ruolo qualifica functie functietitel befattning yrkestitel stilling stillingsbetegnelse stanowisko \
        役職 职位 職稱 职务 / title",
    ),
    spelled(
        Column::Image,
        "image imageurl avatar avatarurl photo photourl picture pictureurl",
    ),
    spelled(
        Column::Address1,
        "address1 addressline1 streetaddress streetaddress1 streetaddressline1 streetline1 street1 street address \
        addressstreet addresslineone streetname1 strasseundhausnummer strasseundnr strasseundhausnr strassehausnummer \
        strassehausnr strassenr strassennr strasse stras anschrift adresse1 adresseligne1 adresse rue rueetnumero numeroetrue \
        direccion1 direccionlinea1 direccion calle calleynumero domicilio indirizzo indirizzo1 via viaenumerocivico \
        adres adresregel1 straat straatnaam straatenhuisnummer endereco endereco1 morada rua logradouro \
        gatuadress gata adress adress1 gateadresse vej ulica ulicainumer adreslinia1 ulicainrdomu \
        住所 住所1 番地 丁目番地 地址 详细地址 地址1",
    ),
    spelled(
        Column::Address2,
        "address2 addressline2 streetaddress2 streetaddressline2 streetline2 street2 apartment apt suite \
        extendedaddress adresszusatz adresse2 adresseligne2 rue2 strasse2 complementdadresse complementadresse \
        direccion2 calle2 complemento indirizzo2 adresregel2 endereco2 adress2 住所2 建物名 地址2",
    ),
    spelled(
        Column::City,
        "city cityname town towncity citytown cityortown citysuburb locality ort stadt wohnort ort01 ville commune ciudad poblacion \
        localidad municipio citta comune localita cidade woonplaats plaats postort stad poststed by miasto miejscowosc \
        市区町村 市町村 城市 市",
    ),
    spelled(
        Column::Region,
        "region state stateprovince stateorprovince stateprovincecounty province provincestate stateregion statename \
        statecode provincecode regioncode regio county bundesland kanton bundeslandkanton regionkanton depregion \
        departement provincia comunidadautonoma estadoprovincia provinciaoestado prov regione estado uf provincie \
        lan fylke wojewodztwo 都道府県 省 省份 州省",
    ),
    spelled(
        Column::Country,
        "country countryname countryregion countryorregion countrycode countryiso countryisocode isocountrycode \
        isocountry nation land land1 landregion landercode landerkennzeichen pays codepays paysregion pais paisregion \
        paisoregion codigopais codigodepais paese nazione stato kraj landkode landskod countryid 国 国名 国家 国家地区 國家",
    ),
    spelled(
        Column::Zip,
        "zip zipcode postalcode postcode zippostalcode postalzipcode zippostcode ziporpostalcode postalcodezip postal \
        pincode plz postleitzahl pstlz codepostal cp codigopostal cpostal cap codicepostale cep postnummer postnr \
        kodpocztowy 郵便番号 邮编 邮政编码 郵遞區號",
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
        "ianatimezone timezone timezonename tz zeitzone fuseauhoraire zonahoraria fusoorario tijdzone 时区 タイムゾーン",
    ),
    spelled(
        Column::Locale,
        "locale localecode language languagecode preferredlanguage lang sprache langue idioma lingua taal sprak sprog \
        jezyk 言語 语言",
    ),
];

/// Spellings that say too little: they count where the cells of the sample prove them.
pub(super) const NEED_PROOF: [&str; 7] = [
    "contactnumber",
    "contactno",
    "contactphone",
    "clientid",
    "sms",
    "countryid",
    "stato",
];

/// Spellings of an address that have other meanings: they count with another column of an address in their group.
pub(super) const NEED_ADDRESS: [&str; 17] = [
    "state",
    "estado",
    "by",
    "cap",
    "cp",
    "uf",
    "lan",
    "postal",
    "via",
    "commune",
    "apt",
    "suite",
    "complemento",
    "prov",
    "municipio",
    "市",
    "省",
];

/// Spellings of one half of a name that elsewhere are the whole of it: they count with the other half.
pub(super) const NEED_OTHER_HALF: [&str; 8] =
    ["nombre", "nome", "nom", "first", "last", "名", "姓", "名字"];

/// First names with which a column `Name` or `Naam` is the last name.
pub(super) const FIRST_NAMES_BESIDE_NAME: [&str; 3] = ["vorname", "voornaam", "fornamn"];

/// Such columns.
pub(super) const LAST_NAMES_BESIDE: [&str; 3] = ["name", "naam", "namn"];

/// Spellings of a whole name, for which Klaviyo has no header. Those of [`NEED_OTHER_HALF`] are among them.
pub(super) const WHOLE_NAMES: [&str; 34] = [
    "name",
    "fullname",
    "displayname",
    "completename",
    "contactname",
    "customername",
    "clientname",
    "nameofcustomer",
    "customer",
    "customerfullname",
    "kundenname",
    "kunde",
    "vollstandigername",
    "nomcomplet",
    "nometprenom",
    "nomprenom",
    "nomduclient",
    "nomclient",
    "nombrecompleto",
    "nombreyapellidos",
    "nombrecliente",
    "nombre",
    "nome",
    "nom",
    "nomecompleto",
    "nomecognome",
    "nomecliente",
    "naam",
    "namn",
    "navn",
    "氏名",
    "姓名",
    "お名前",
    "imieinazwisko",
];

/// A spelling in [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpellingPlace {
    /// Its tier.
    pub(super) tier: u8,
    /// Its place in the list of its column.
    pub(super) spelling: usize,
    /// The column's place.
    pub(super) entry: usize,
}

/// Every spelling with its place.
static PLACES: LazyLock<HashMap<&str, SpellingPlace>> = LazyLock::new(|| {
    let entries = TABLE.iter().enumerate();
    let places = entries.flat_map(|(entry, spellings)| {
        let all = spellings.all().enumerate();
        all.map(move |(spelling, (tier, name))| {
            let place = SpellingPlace {
                tier,
                spelling,
                entry,
            };
            (name, place)
        })
    });
    places.collect()
});

/// The place of a folded spelling.
pub(super) fn place_of(spelling: &str) -> Option<SpellingPlace> {
    PLACES.get(spelling).copied()
}
