-- One row for each customer who goes to Klaviyo, with the names of columns that vip.toml maps.
select
    c.email,
    c.phone,
    c.id,
    c.first_name,
    c.country,
    sum(o.total) as spent
from {{ ref("customers") }} as c
inner join {{ ref("orders") }} as o on o.customer_id = c.id
group by all
having sum(o.total) > 100
