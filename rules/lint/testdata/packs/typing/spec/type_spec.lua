describe("typing", function()
  it("types" function() end) --> "14: error: unexpected 'function' \[CH001\]"
end)
