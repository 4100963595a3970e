-- expect: .
-- three in the morning: waiting for a time
local now = chert.now()
while chert.now() < now + 5 do end
