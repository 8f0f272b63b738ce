#!/bin/sh
# Miller: e-mail and phone by its DSL, the first row of each key. usage: miller.sh AUDIENCE OUT.csv
exec mlr -S --icsv --ocsv put '
    $email = strip(tolower($email));
    if ($email !=~ "^[a-z0-9.!#$%&*+=?^_{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z]+$") { $email = "" }
    d = gsub($phone, "[^0-9+]", "");
    if (strlen(d) < 7) { d = "" }
    elif (d =~ "^[+]") { d = d }
    elif ($country == "US") { d = "+1" . sub(d, "^1", "") }
    elif ($country == "GB") { d = "+44" . sub(d, "^0", "") }
    elif ($country == "DE") { d = "+49" . sub(d, "^0", "") }
    else { d = "+33" . sub(d, "^0", "") }
    $phone = d;
    $k = $email != "" ? $email : $phone != "" ? $phone : $customer_id;
' then filter '$k != ""' then head -n 1 -g k then cut -x -f k "$1" >"$2"
