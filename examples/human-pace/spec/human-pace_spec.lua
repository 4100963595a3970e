describe("human-pace", function()
  before_each(function()
    configure({ notice = 5, letters_per_second = 20, spread = 0.5, at_most = 90 })
  end)

  it("takes a moment", function()
    receive({ chat = "c1", text = "ok" })
    advance("2s")
    assert.is_unread("c1")
    advance("6s")
    assert.is_read("c1")
  end)

  it("takes longer for more", function()
    configure({ spread = 0 })
    receive({ chat = "short", text = "ok" })
    receive({ chat = "long", text = ("word "):rep(80) })
    advance("6s")
    assert.is_read("short")
    assert.is_unread("long")
    advance("19s")
    assert.is_read("long")
  end)

  it("takes no longer than it is told to", function()
    receive({ chat = "c1", text = ("word "):rep(3000) })
    advance("89s")
    assert.is_unread("c1")
    advance("1s")
    assert.is_read("c1")
  end)

  it("is never twice the same", function()
    local moments = {}
    for i = 1, 20 do
      receive({ chat = "c" .. i, text = ("word "):rep(40) })
    end
    for second = 1, 30 do
      advance("1s")
      for i = 1, 20 do
        local read = pcall(assert.is_read, "c" .. i)
        moments[i] = moments[i] or read and second or nil
      end
    end
    local different = {}
    local count = 0
    for i = 1, 20 do
      assert.is_not_nil(moments[i])
      if not different[moments[i]] then
        different[moments[i]] = true
        count = count + 1
      end
    end
    assert(count > 3, "the waits are too much alike")
  end)

  it("reads a burst once, after its last message", function()
    for _ = 1, 5 do
      receive({ chat = "c1", text = "ok" })
      advance("2s")
    end
    assert.is_unread("c1")
    advance("1m")
    assert.called("read", 1)
  end)

  it("refuses a pace that makes no sense", function()
    configure({ letters_per_second = 0 })
    assert.has_error(function()
      receive({ chat = "c1", text = "ok" })
    end, "letters_per_second")
  end)
end)
