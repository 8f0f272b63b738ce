use super::*;
use crate::pipeline::mapping::qualifiers::QUALIFIERS;
use crate::pipeline::mapping::sample::tests::sample;
use crate::pipeline::mapping::spellings::TABLE;
use crate::profile::consent::looks_like_consent;
use crate::profile::words::fold;
use std::collections::HashSet;

fn header(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

/// `source=Target` for every column that is mapped by its name alone.
fn mapped(names: &str) -> String {
    let header = header(names);
    let guesses = guess(&header, &Sample::default());
    pairs(&header, guesses)
}

/// The same of a CSV, by its cells too.
fn mapped_by_cells(csv: &str) -> String {
    let (header, sample) = sample(csv);
    let guesses = guess(&header, &sample);
    pairs(&header, guesses)
}

fn pairs(header: &[String], guesses: Vec<Guess>) -> String {
    let pairs = header.iter().zip(guesses);
    let mapped = pairs.filter_map(|(name, guess)| match guess {
        Guess::Mapped(column) => Some(format!("{name}={}", column.header())),
        Guess::Unmapped(_) => None,
    });
    mapped.collect::<Vec<_>>().join(" ")
}

#[test]
fn names_alone_are_mapped() {
    for (header, expected) in [
        (
            "CustomerId,FirstName,LastName,Company,Address,City,State,Country,PostalCode,Phone,Fax,Email,SupportRepId",
            "CustomerId=ExternalID FirstName=FirstName LastName=LastName Company=Organization Address=Address1 \
             City=City State=Region Country=Country PostalCode=Zip Phone=PhoneNumber Email=Email",
        ),
        // An address for bills and one for parcels are two addresses.
        (
            "customer_id,billing_first_name,billing_email,billing_phone,billing_postcode,billing_city,shipping_city,\
             shipping_country,billing_id",
            "customer_id=ExternalID billing_first_name=FirstName billing_email=Email billing_phone=PhoneNumber \
             billing_postcode=Zip billing_city=City",
        ),
        // The country of no address in particular completes one.
        (
            "Home Street,Home City,Country,Work Country",
            "Home Street=Address1 Home City=City Country=Country",
        ),
        (
            "Home Street,Home City,Work Street,Work Zip",
            "Home Street=Address1 Home City=City",
        ),
        (
            "Name,Vorname,E-Mail",
            "Name=LastName Vorname=FirstName E-Mail=Email",
        ),
        (
            "Name,First Name,E-Mail",
            "First Name=FirstName E-Mail=Email",
        ),
        (
            "Prénom,Nom,Courriel",
            "Prénom=FirstName Nom=LastName Courriel=Email",
        ),
        ("Nom,Courriel", "Courriel=Email"),
        ("BILLINGCITY,HOMELAND", "BILLINGCITY=City"),
    ] {
        assert_eq!(mapped(header), expected);
    }
}

#[test]
fn a_mobile_comes_before_every_other_phone() {
    for (header, mobile) in [
        ("Phone,Mobile", "Mobile"),
        ("Phone Number,Cell Phone,Home Phone", "Cell Phone"),
        ("PhoneNumber,MobileNumber", "MobileNumber"),
        ("Téléphone,Tél. portable", "Tél. portable"),
        ("Telefono,Cellulare", "Cellulare"),
        ("Teléfono,Móvil", "Móvil"),
        ("Telefon,Handy", "Handy"),
        ("Telefoonnummer,Mobiel nummer", "Mobiel nummer"),
        ("Telefone,Celular", "Celular"),
        ("Telefon,Telefon komórkowy", "Telefon komórkowy"),
        ("電話番号,携帯電話番号", "携帯電話番号"),
        ("电话,手机号", "手机号"),
        ("Business Phone,Home Phone,Mobile Phone", "Mobile Phone"),
        ("Phone (Work),Phone (Mobile)", "Phone (Mobile)"),
        ("Work Phone,Phone", "Phone"),
    ] {
        assert_eq!(mapped(header), format!("{mobile}=PhoneNumber"));
    }
    assert_eq!(mapped("Office Phone,Business Phone,Contact No.,Fax"), "");
}

#[test]
fn columns_of_other_people_are_never_mapped() {
    for name in [
        "Owner Email",
        "Contact Owner Email",
        "Rep Email",
        "Agent Phone",
        "Assignee email",
        "Requester email",
        "Parent Email",
        "Buyer Email",
        "Buyer First Name",
        "Account Email",
        "Account Manager",
        "Seller Email",
        "Emergency Contact Phone",
        "Reports To Email",
        "Created By",
        "Betreuer E-Mail",
        "E-mail commercial",
        "Email agente",
        "Email (Owner)",
        "担当者メール",
        "Shipping Phone",
        "Shipping First Name",
        "Ship to email",
    ] {
        assert_eq!(mapped(name), "");
        let csv = format!("{name},x\nzoe@example.com,y\n");
        let (header, sample) = sample(&csv);
        assert_eq!(address_column(&header, &sample), None, "{name}");
    }
}

#[test]
fn an_id_is_the_person_s_or_none() {
    for (header, id) in [
        ("Account ID,Email", ""),
        ("Client ID,User ID,Email", "User ID"),
        ("Client ID,Email", ""),
        ("Contact ID,EXT_ID,Email", "EXT_ID"),
        ("Id,Email,Order ID", ""),
        ("Id,Email,Lineitem name", ""),
        ("Id,Subject,Status,Email", ""),
        ("Id,Email,Status", ""),
        ("Id,Email,First Order Date,Order Count", "Id"),
        ("uuid,Deal Name,Email", ""),
        ("Customer ID,Order Number,Id,Email", "Customer ID"),
        ("hs_object_id,email", "hs_object_id"),
        ("Reference ID,Email", "Reference ID"),
    ] {
        let mapped = mapped(header);
        let found: Vec<&str> = header
            .split(',')
            .filter(|name| mapped.contains(&format!("{name}=ExternalID")))
            .collect();
        assert_eq!(found.concat(), id, "{header}: {mapped}");
    }
}

#[test]
fn cells_decide_between_names() {
    for (csv, expected) in [
        (
            "Mail,E-Mail\nzoe@example.com,ja\nyan@example.com,nein\n",
            "Mail=Email",
        ),
        ("Email,Kontaktmail\nja,zoe@example.com\n", ""),
        (
            "Email,Email Address\n,zoe@example.com\n",
            "Email Address=Email",
        ),
        (
            "E-Mail,Email Address\nzoe@example.com,yan@example.com\n",
            "",
        ),
        (
            "E-Mail,Email Address\nzoe@example.com,Zoe@Example.com\n",
            "E-Mail=Email",
        ),
        (
            "email,Mobile,Phone\nzoe@example.com,no,(212) 555-0143\n",
            "email=Email Phone=PhoneNumber",
        ),
        (
            "email,Contact No.\nzoe@example.com,(212) 555-0143\n",
            "email=Email Contact No.=PhoneNumber",
        ),
        (
            "email,Contact No.\nzoe@example.com,CT000123\n",
            "email=Email",
        ),
        (
            "email,SMS\nzoe@example.com,+12125550143\n",
            "email=Email SMS=PhoneNumber",
        ),
        ("email,SMS\nzoe@example.com,yes\n", "email=Email"),
        ("email,Title\nzoe@example.com,Mrs\n", "email=Email"),
        (
            "email,Title\nzoe@example.com,Buyer\n",
            "email=Email Title=Title",
        ),
        (
            "email,Title,Job Title\nzoe@example.com,Buyer,Head\n",
            "email=Email Job Title=Title",
        ),
        (
            "email,state,city\nzoe@example.com,enabled,Lima\n",
            "email=Email city=City",
        ),
        (
            "email,state,city\nzoe@example.com,OH,Lima\n",
            "email=Email state=Region city=City",
        ),
        ("email,state\nzoe@example.com,OH\n", "email=Email"),
    ] {
        assert_eq!(mapped_by_cells(csv), expected, "{csv}");
    }
}

#[test]
fn cells_tell_if_an_id_is_one_person_s() {
    for (csv, expected) in [
        (
            "id,email,status\n1,zoe@example.com,active\n2,yan@example.com,active\n",
            "id=ExternalID email=Email",
        ),
        (
            "id,email,status\n1,zoe@example.com,open\n2,yan@example.com,solved\n",
            "email=Email",
        ),
        // One id of two people is nobody's; an id that changes within a person is no person's.
        (
            "customer_id,email\n1,zoe@example.com\n1,yan@example.com\n",
            "email=Email",
        ),
        (
            "id,email\n1,zoe@example.com\n2,zoe@example.com\n",
            "email=Email",
        ),
        (
            "customer_id,email\n1,zoe@example.com\n2,zoe@example.com\n",
            "customer_id=ExternalID email=Email",
        ),
        (
            "client_id,email\n1,zoe@example.com\n2,yan@example.com\n",
            "client_id=ExternalID email=Email",
        ),
        ("Vorname,Name\nZoe,Zoe Muster\n", "Vorname=FirstName"),
    ] {
        assert_eq!(mapped_by_cells(csv), expected, "{csv}");
    }
}

#[test]
fn addresses_that_few_people_share_are_no_one_s() {
    for (name, rows_each, by_name, by_cells) in [
        ("Email", 1, true, true),
        ("Email", 2, true, false),
        ("Email", 4, false, false),
        ("Kontakt", 1, false, true),
        ("Kontakt", 2, false, false),
    ] {
        let row = |n: usize| format!("{n},p{}@example.com\n", n / rows_each);
        let rows: Vec<String> = (0..12).map(row).collect();
        let (header, sample) = sample(&format!("n,{name}\n{}", rows.concat()));
        let is_mapped = guess(&header, &sample)[1] == Guess::Mapped(Column::Email);
        assert_eq!(is_mapped, by_name, "{name} {rows_each}");
        let is_found = address_column(&header, &sample) == Some(1);
        assert_eq!(is_found, by_cells, "{name} {rows_each}");
    }
}

#[test]
fn what_is_not_mapped_says_why() {
    let header =
        header("Mail,Email,email,Opt-in,Subscriber Email,Fax,Customer Email,Owner Email,Name");
    let taken = || {
        Guess::Unmapped(UnmappedReason::Taken {
            column: Column::Email,
            by: 1,
        })
    };
    let left = Guess::Unmapped;
    let expected = vec![
        taken(),
        Guess::Mapped(Column::Email),
        taken(),
        left(UnmappedReason::Consent),
        left(UnmappedReason::Consent),
        left(UnmappedReason::NoMatch),
        taken(),
        left(UnmappedReason::OtherPerson),
        left(UnmappedReason::WholeName),
    ];
    assert_eq!(guess(&header, &Sample::default()), expected);
}

#[test]
fn klaviyo_s_own_headers_map_to_themselves_whatever_else_is_there() {
    let own: Vec<String> = Column::known()
        .map(|column| column.header().to_owned())
        .collect();
    let rivals = TABLE
        .iter()
        .flat_map(|entry| entry.all().map(|(_, name)| name.to_owned()));
    let header: Vec<String> = rivals.chain(own.clone()).collect();
    let guesses = guess(&header, &Sample::default());
    for (name, guess) in header.iter().zip(guesses).rev().take(own.len()) {
        assert!(
            matches!(&guess, Guess::Mapped(column) if column.header() == name),
            "{name}: {guess:?}"
        );
    }
}

#[test]
fn the_table_is_folded_complete_and_without_doubles() {
    let mut seen = HashSet::new();
    for entry in &TABLE {
        for (_, spelling) in entry.all() {
            assert_eq!(fold(spelling), spelling);
            assert!(seen.insert(spelling), "{spelling} is there twice");
            assert!(!looks_like_consent(spelling), "{spelling}");
        }
        let own = fold(entry.column.header());
        assert!(entry.all().any(|(_, spelling)| spelling == own));
    }
    let mut phrases = HashSet::new();
    for (_, words) in &QUALIFIERS {
        for phrase in words.split_ascii_whitespace() {
            assert_eq!(fold(phrase), phrase);
            assert!(phrases.insert(phrase), "{phrase} is there twice");
        }
    }
    let columns: HashSet<_> = TABLE.iter().map(|entry| &entry.column).collect();
    assert_eq!(columns.len(), Column::known().count());
}

#[test]
fn look_alikes_are_not_mapped() {
    let header = "Email Domain,Email Status,Phone Type,Name,Username,Company Phone,IP Address,Product Title,Order ID,\
         Address ID,Zip Plus Four,Country Population,First Order Date,Last Seen,_reason,_record,,  ,Фамилия,\
         Email 2,Straße geschäftlich 3,Profile URL,Landline,Homepage,Contact Owner,Account ID";
    assert_eq!(mapped(header), "");
}
