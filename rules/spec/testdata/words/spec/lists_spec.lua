describe("configure, lists", function()
  it("sets them before the first event, and later", function()
    configure({ lists = { vips = { "+1 415 555 0123" } } })
    receive({ chat = "c1", from = "+14155550123", text = "listed" })
    assert.is_read("c1")
    receive({ chat = "c2", from = "+14155550199", text = "listed" })
    assert.is_unread("c2")
    configure({ lists = { vips = { ["+14155550199"] = "10m", ["+14155550188"] = true } } })
    receive({ chat = "c2", from = "+14155550199", text = "listed" })
    assert.is_read("c2")
    receive({ chat = "c3", from = "+14155550123", text = "listed" })
    assert.is_unread("c3")
    advance("10m")
    receive({ chat = "c2", from = "+14155550199", text = "listed" })
    assert.is_unread("c2")
    receive({ chat = "c4", from = "+14155550188", text = "listed" })
    assert.is_read("c4")
    configure({ lists = { vips = {} } })
    receive({ chat = "c4", from = "+14155550188", text = "listed" })
    assert.is_unread("c4")
  end)

  it("may come with settings", function()
    configure({ wait = "2m", lists = { vips = { "+14155550123" } } })
    receive({ chat = "c1", from = "+14155550123", text = "listed" })
    assert.is_read("c1")
    receive({ chat = "c2", text = "later" })
    advance("119s")
    assert.is_unread("c2")
    advance("1s")
    assert.is_read("c2")
  end)

  it("are empty without it", function()
    receive({ chat = "c1", from = "+14155550123", text = "listed" })
    assert.is_unread("c1")
  end)

  it("knows the lists", function()
    configure({ lists = { vipz = { "+14155550123" } } }) --> "configure: lists: pack .words. never uses the list .vipz.\nhint: did you mean .vips.\?"
  end)

  it("knows what can be a member", function()
    configure({ lists = { vips = { "415" .. "x@@y" } } }) --> "configure: lists.vips: \"415x@@y\" is not an email address"
  end)

  it("knows the form of lists", function()
    configure({ lists = "vips" }) --> "configure: lists: expected lists by name"
  end)

  it("knows the form of members", function()
    configure({ lists = { vips = { 14155550123 } } }) --> "configure: lists.vips: a member is a string, got the number 14155550123"
  end)

  it("knows the form of ends", function()
    configure({ lists = { vips = { ["+14155550123"] = false } } }) --> "configure: lists.vips: \+14155550123: the boolean false is not the end of a member"
  end)

  it("refuses a member that is never on the list", function()
    configure({ lists = { vips = { ["+14155550123"] = "0s" } } }) --> "configure: lists.vips: \+14155550123: 0s is over already"
  end)

  it("leaves settings to the beginning", function()
    receive("x")
    configure({ wait = "1m", lists = { vips = {} } }) --> "configure: the pack runs already"
  end)
end)
