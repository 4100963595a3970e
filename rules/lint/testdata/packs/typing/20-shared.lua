function shared(ev)
  return ev ~= nil
end
