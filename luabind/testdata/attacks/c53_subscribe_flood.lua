-- as a file: a subscription for each number there is
for i = 1, 1e9 do chert.on("message.received", function() end) end
