local limits = nil
local wait = limits.wait --> "nil"
