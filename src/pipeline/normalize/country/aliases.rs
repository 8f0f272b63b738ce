//! Country names beside those of the ISO table: formal and older English names, inverted forms ("Korea, Republic of"),
//! what shops and CRMs export, the country's name in its own language, and what people say in the languages of `names.txt`
//! beside the name in it.
//!
//! Spellings are folded before they are compared: letter case, accents, punctuation, "and" and "the" make no difference.

/// An alpha-2 code and its further spellings, with `|` between.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("AC", "Ascension Island | Ascension"),
    ("AE", "VAE | EAU | ZEA | UAE | Emirates"),
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
    (
        "BY",
        "Weißrussland | Weissrussland | Biélorussie | Wit-Rusland | Vitryssland | Hviderusland",
    ),
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
    (
        "CH",
        "Schweizerische Eidgenossenschaft | Confédération suisse | Schweiz | Suisse | Svizzera",
    ),
    (
        "CI",
        "Elfenbeinküste | Elfenbeinkueste | Ivory Coast | Cote d Ivoire",
    ),
    (
        "CN",
        "Volksrepublik China | VR China | République populaire de Chine | People's Republic of China | China, People's Republic of | PR China | P.R.C. | PRC | Mainland China | China \
        mainland",
    ),
    ("CV", "Kapverden | Cap-Vert | Cabo Verde"),
    (
        "CZ",
        "Tschechische Republik | République tchèque | República Checa | Repubblica Ceca | Tsjechische Republiek | Tjeckiska republiken | Den Tjekkiske Republik | Czech Republic | Česko | Česká republika",
    ),
    (
        "DE",
        "BRD | Bundesrepublik Deutschland | Republik Federalna Niemiec | Deutschland | Federal Republic of Germany",
    ),
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
        "Großbritannien | Grossbritannien | Schottland | Wales | Nordirland | Grande-Bretagne | Angleterre | Écosse | Gran Bretaña | Inglaterra | Escocia | Gran Bretagna | Inghilterra | Scozia | Groot-Brittannië | Engeland | Schotland | Grã-Bretanha | Storbritannien | Skottland | Anglia | Szkocja | Zjednoczone Królestwo | UK | United Kingdom | Great Britain | Britain | England | Scotland | Wales | Northern Ireland | United \
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
    (
        "IE",
        "Republik Irland | Republic of Ireland | Eire | Ireland, Republic of | Éire",
    ),
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
        "Republik Korea | République de Corée | República de Corea | Korea Południowa | Korea, Republic of | Republic of Korea | Korea, South | Korea (South) | Korea, Rep.",
    ),
    ("LA", "Lao People's Democratic Republic | Lao PDR"),
    ("LT", "Lietuva"),
    ("LU", "Luxemburg"),
    ("LV", "Latvija"),
    ("LY", "Libyan Arab Jamahiriya | State of Libya"),
    (
        "MD",
        "Republik Moldau | Moldawien | Moldavie | Moldova, Republic of",
    ),
    ("MF", "Saint Martin (French part) | French Saint Martin"),
    (
        "MK",
        "Mazedonien | Macédoine | Macedonia del Norte | Macedonië | Makedonien | Macedonia | FYROM | Macedonia, Republic of | Republic of Macedonia | Macedonia, the former Yugoslav Republic \
        of | Macedonia (FYROM)",
    ),
    ("MM", "Birma | Burma | Birmanie | Burma | Myanmar (Burma)"),
    (
        "MO",
        "Macao | Macao SAR | Macao SAR China | Macau SAR | Macau SAR China | Macau, China",
    ),
    (
        "NL",
        "Holanda | Hollande | Olanda | Die Niederlande | Nederlanden | Koninkrijk der Nederlanden | Holandia | Holland | Nederland",
    ),
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
    (
        "RU",
        "Russische Föderation | Fédération de Russie | Federación Rusa | Federazione Russa | Russian Federation | Russia, Federation of",
    ),
    ("SA", "KSA"),
    ("SE", "Sverige"),
    ("SH", "Saint Helena, Ascension and Tristan da Cunha"),
    ("SI", "Slovenija"),
    ("SJ", "Svalbard"),
    (
        "SK",
        "Slowakische Republik | République slovaque | Repubblica Slovacca | Slovak Republic | Slovensko",
    ),
    (
        "SX",
        "Sint Maarten (Dutch part) | Saint Martin (Dutch part) | Saint Maarten",
    ),
    ("SY", "Syrian Arab Republic"),
    ("SZ", "Swaziland | Eswatini (Swaziland)"),
    ("TA", "Tristan da Cunha"),
    ("TL", "Timor Oriental | East Timor"),
    ("TR", "Türkei | Türkiye | Republic of Türkiye"),
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
        "Vereinigte Staaten von Amerika | USA (Vereinigte Staaten) | États-Unis d'Amérique | EE.UU. | EE. UU. | EEUU | Estados Unidos de América | Stati Uniti d'America | Verenigde Staten van Amerika | Estados Unidos da América | EUA | Amerikas förenta stater | Amerikas Forenede Stater | Stany Zjednoczone Ameryki | United States | United States of America | USA | America, United States of | United States (US) | United \
        States (USA) | US of America",
    ),
    (
        "VA",
        "Vatikan | Watykan | Holy See | Holy See (Vatican City State) | Vatican | Vatican City State",
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
