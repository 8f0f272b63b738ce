#!/bin/sh
# Miller: e-mail and phone by its DSL, the first row of each key. usage: miller.sh AUDIENCE OUT.csv
exec mlr --icsv --ocsv put -q '
    $email = strip(tolower($email));
    if ($email !=~ "^[a-z0-9.!#$%&*+=?^_{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z]+$") { $email = "" }
    d = gsub($phone, "[^0-9+]", "");
    $phone = strlen(d) < 7 ? "" : d =~ "^\+" ? d : $country == "US" ? "+1".d : $country == "GB" ? "+44".sub(d, "^0", "") :
        $country == "DE" ? "+49".sub(d, "^0", "") : "+33".sub(d, "^0", "");
    k = $email != "" ? $email : $phone != "" ? $phone : $customer_id;
    if (k != "" && !has(@seen, k)) { @seen[k] = 1; emit $* }
' "$1" >"$2"
