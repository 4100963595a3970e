return { vip = "+14155551234" }
