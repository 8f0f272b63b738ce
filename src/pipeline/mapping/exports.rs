//! Headers of common exports and what must be guessed from them: the cases of the tests of [`super::guess`].

/// A header, and `source=Target` for every column that is mapped.
pub(super) const EXPORTS: &[(&str, &str)] = &[
    // The Chinook sample database.
    (
        "CustomerId,FirstName,LastName,Company,Address,City,State,Country,PostalCode,Phone,Fax,\
         Email,SupportRepId",
        "CustomerId=ExternalID FirstName=FirstName LastName=LastName Company=Organization Address=Address1 City=City \
         State=Region Country=Country PostalCode=Zip Phone=PhoneNumber Email=Email",
    ),
    // Shopify.
    (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,\
         Default Address Address1,Default Address Address2,Default Address City,\
         Default Address Province Code,Default Address Country Code,Default Address Zip,\
         Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,\
         Tags",
        "Customer ID=ExternalID First Name=FirstName Last Name=LastName Email=Email Default Address \
         Company=Organization Default Address Address1=Address1 Default Address Address2=Address2 Default Address \
         City=City Default Address Province Code=Region Default Address Country Code=Country Default Address Zip=Zip \
         Phone=PhoneNumber",
    ),
    // Mailchimp.
    (
        "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_TIME,\
         LATITUDE,LONGITUDE,TIMEZONE,CC",
        "Email Address=Email First Name=FirstName Last Name=LastName Address=Address1 Phone Number=PhoneNumber \
         LATITUDE=Latitude LONGITUDE=Longitude TIMEZONE=Timezone",
    ),
    // HubSpot.
    (
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Associated Company,Job Title,\
         Street Address,State/Region,Postal Code,Country/Region",
        "Record ID=ExternalID First Name=FirstName Last Name=LastName Email=Email Phone Number=PhoneNumber Job \
         Title=Title Street Address=Address1 State/Region=Region Postal Code=Zip Country/Region=Country",
    ),
    // Salesforce.
    (
        "Id,FirstName,LastName,Title,MobilePhone,MailingStreet,MailingCity,MailingState,\
         MailingPostalCode,MailingCountry,AccountId,HasOptedOutOfEmail,OtherCity,LeadSource",
        "Id=ExternalID FirstName=FirstName LastName=LastName Title=Title MobilePhone=PhoneNumber \
         MailingStreet=Address1 MailingCity=City MailingState=Region MailingPostalCode=Zip MailingCountry=Country",
    ),
    // Stripe.
    (
        "id,Description,Email,Name,Created (UTC),Address City,Address Country,Delinquent,Card ID,\
         Plan",
        "id=ExternalID Email=Email Address City=City Address Country=Country",
    ),
    // WooCommerce.
    (
        "customer_id,billing_first_name,billing_email,billing_phone,billing_postcode,\
         shipping_first_name,shipping_city,billing_id",
        "customer_id=ExternalID billing_first_name=FirstName billing_email=Email billing_phone=PhoneNumber \
         billing_postcode=Zip shipping_city=City",
    ),
    // German.
    (
        "Kundennummer,E-Mail,Vorname,Nachname,Firma,Telefon,Straße,PLZ,Ort,Land,Sprache,Anrede,\
         Titel",
        "Kundennummer=ExternalID E-Mail=Email Vorname=FirstName Nachname=LastName Firma=Organization \
         Telefon=PhoneNumber Straße=Address1 PLZ=Zip Ort=City Land=Country Sprache=Locale",
    ),
    // French.
    (
        "Adresse e-mail,Prénom,Nom,Téléphone,Adresse,Complément d'adresse,Code postal,Ville,Pays,\
         Société",
        "Adresse e-mail=Email Prénom=FirstName Nom=LastName Téléphone=PhoneNumber Adresse=Address1 Complément \
         d'adresse=Address2 Code postal=Zip Ville=City Pays=Country Société=Organization",
    ),
    // Spanish.
    (
        "Correo electrónico,Nombre,Apellidos,Teléfono,Dirección,Código postal,Ciudad,Provincia,País,\
         Empresa",
        "Correo electrónico=Email Nombre=FirstName Apellidos=LastName Teléfono=PhoneNumber Dirección=Address1 Código \
         postal=Zip Ciudad=City Provincia=Region País=Country Empresa=Organization",
    ),
    // A hand-made table.
    (
        "email,mobile,customer_id,first_name,tier,country_code,lat,lng,tz,avatar_url,language",
        "email=Email mobile=PhoneNumber customer_id=ExternalID first_name=FirstName country_code=Country \
         lat=Latitude lng=Longitude tz=Timezone avatar_url=Image language=Locale",
    ),
];
