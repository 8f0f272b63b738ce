//! Country names beside those of the ISO table: formal and older English names, inverted forms ("Korea, Republic of"),
//! what shops and CRMs export, and the country's name in its own language.
//!
//! Spellings are folded before they are compared: letter case, accents, punctuation, "and" and "the" make no difference.

/// An alpha-2 code and its further spellings, with `|` between.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("AC", "Ascension Island | Ascension"),
    ("AE", "UAE | Emirates"),
    ("AT", "Österreich | Oesterreich"),
    ("AX", "Aland | Aaland Islands"),
    ("BA", "Bosnia and Herzegovina | Bosnia-Herzegovina"),
    ("BE", "Belgique | België | Belgien"),
    ("BL", "Saint Barts"),
    ("BN", "Brunei Darussalam"),
    (
        "BO",
        "Bolivia, Plurinational State of | Plurinational State of Bolivia",
    ),
    (
        "BQ",
        "Bonaire | Bonaire, Sint Eustatius and Saba | Bonaire, Saint Eustatius and Saba",
    ),
    ("BR", "Brasil"),
    ("BS", "Bahamas, The"),
    ("CC", "Cocos Islands | Keeling Islands"),
    (
        "CD",
        "Congo (Kinshasa) | Congo (DRC) | Congo, Democratic Republic of the | Congo, Democratic Republic | Congo, DR \
        | Congo, Dem. Rep. | Democratic Republic of the Congo | DR Congo | DRC | Zaire",
    ),
    (
        "CG",
        "Congo (Brazzaville) | Congo, Republic of the | Congo, Rep. | Republic of the Congo | Congo Republic",
    ),
    ("CH", "Schweiz | Suisse | Svizzera"),
    ("CI", "Ivory Coast | Cote d Ivoire"),
    (
        "CN",
        "People's Republic of China | China, People's Republic of | PR China | P.R.C. | PRC | Mainland China | China \
        mainland",
    ),
    ("CV", "Cabo Verde"),
    ("CZ", "Czech Republic | Česko | Česká republika"),
    ("DE", "Deutschland | Federal Republic of Germany"),
    ("DK", "Danmark"),
    ("EE", "Eesti"),
    ("EH", "Sahrawi Arab Democratic Republic"),
    ("ES", "España"),
    ("FI", "Suomi"),
    ("FK", "Falkland Islands (Malvinas) | Islas Malvinas"),
    (
        "FM",
        "Micronesia, Federated States of | Federated States of Micronesia",
    ),
    ("FO", "Faeroe Islands"),
    ("FR", "Metropolitan France | French Republic"),
    (
        "GB",
        "UK | United Kingdom | Great Britain | Britain | England | Scotland | Wales | Northern Ireland | United \
        Kingdom (UK) | United Kingdom (Great Britain) | United Kingdom of Great Britain and Northern Ireland | UK of \
        Great Britain and Northern Ireland",
    ),
    ("GM", "Gambia, The"),
    ("GR", "Hellas | Hellenic Republic"),
    (
        "HK",
        "Hong Kong SAR | Hong Kong SAR China | Hong Kong S.A.R. | Hong Kong, China | Hong Kong (China) | Hongkong",
    ),
    ("HR", "Hrvatska"),
    ("HU", "Magyarország"),
    ("IE", "Ireland, Republic of | Éire"),
    ("IO", "British Indian Ocean Terr. | Chagos Archipelago"),
    ("IR", "Iran, Islamic Republic of | Islamic Republic of Iran"),
    ("IS", "Ísland"),
    ("IT", "Italia"),
    ("KG", "Kyrgyz Republic"),
    ("KN", "Saint Kitts-Nevis"),
    (
        "KP",
        "Korea, Democratic People's Republic of | Democratic People's Republic of Korea | Korea, North | Korea \
        (North) | DPRK",
    ),
    (
        "KR",
        "Korea, Republic of | Republic of Korea | Korea, South | Korea (South) | Korea, Rep.",
    ),
    ("LA", "Lao People's Democratic Republic | Lao PDR"),
    ("LT", "Lietuva"),
    ("LU", "Luxemburg"),
    ("LV", "Latvija"),
    ("LY", "Libyan Arab Jamahiriya | State of Libya"),
    ("MD", "Moldova, Republic of"),
    ("MF", "Saint Martin (French part) | French Saint Martin"),
    (
        "MK",
        "Macedonia | FYROM | Macedonia, Republic of | Republic of Macedonia | Macedonia, the former Yugoslav Republic \
        of | Macedonia (FYROM)",
    ),
    ("MM", "Burma | Myanmar (Burma)"),
    (
        "MO",
        "Macao | Macao SAR | Macao SAR China | Macau SAR | Macau SAR China | Macau, China",
    ),
    ("NL", "Holland | Nederland"),
    ("NO", "Norge"),
    ("NZ", "Aotearoa | Aotearoa New Zealand"),
    ("PL", "Polska"),
    ("PM", "Saint-Pierre et Miquelon"),
    (
        "PS",
        "Palestinian Territory | Palestinian Territories | Palestinian Territory, Occupied | Palestine, State of | \
        State of Palestine",
    ),
    ("RE", "La Réunion | Reunion Island"),
    ("RO", "România"),
    ("RU", "Russian Federation | Russia, Federation of"),
    ("SA", "KSA"),
    ("SE", "Sverige"),
    ("SH", "Saint Helena, Ascension and Tristan da Cunha"),
    ("SI", "Slovenija"),
    ("SJ", "Svalbard"),
    ("SK", "Slovak Republic | Slovensko"),
    (
        "SX",
        "Sint Maarten (Dutch part) | Saint Martin (Dutch part) | Saint Maarten",
    ),
    ("SY", "Syrian Arab Republic"),
    ("SZ", "Swaziland | Eswatini (Swaziland)"),
    ("TA", "Tristan da Cunha"),
    ("TL", "East Timor"),
    ("TR", "Türkiye | Republic of Türkiye"),
    (
        "TW",
        "Taiwan, Province of China | Taiwan, China | Taiwan ROC | Taiwan (R.O.C.) | Republic of China | Chinese \
        Taipei",
    ),
    (
        "TZ",
        "Tanzania, United Republic of | United Republic of Tanzania",
    ),
    (
        "US",
        "United States | United States of America | USA | America, United States of | United States (US) | United \
        States (USA) | US of America",
    ),
    (
        "VA",
        "Holy See | Holy See (Vatican City State) | Vatican | Vatican City State",
    ),
    ("VC", "Saint Vincent"),
    (
        "VE",
        "Venezuela, Bolivarian Republic of | Bolivarian Republic of Venezuela",
    ),
    ("VG", "Virgin Islands, British | Virgin Islands (British)"),
    (
        "VI",
        "Virgin Islands, U.S. | Virgin Islands (U.S.) | United States Virgin Islands | US Virgin Islands",
    ),
    ("VN", "Viet Nam | Việt Nam"),
    ("WS", "Western Samoa"),
    ("XK", "Kosovo | XKX | Republic of Kosovo"),
    ("ZA", "RSA"),
];
