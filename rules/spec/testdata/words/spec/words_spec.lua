local seen = {}
local people = data.load("people")

before_each(function()
  seen[#seen + 1] = "file"
end)

describe("blocks", function()
  before_each(function()
    seen[#seen + 1] = "outer"
  end)

  describe("nest", function()
    before_each(function()
      seen[#seen + 1] = "inner"
    end)

    it("run what comes before them from the outside in", function()
      assert.same({ "file", "outer", "inner" }, seen)
    end)

    it("begin anew each time", function()
      assert.same({ "file", "outer", "inner" }, seen)
    end)
  end)

  describe("end", function()
    after_each(function()
      assert.equal("the body", seen[#seen]) --> "expected .the body., got .another."
    end)

    it("with what comes after them", function()
      seen[#seen + 1] = "the body"
    end)

    it("and fail by it", function()
      seen[#seen + 1] = "another"
    end)
  end)
end)

describe("what is at hand", function()
  it("is the pack's lib and data, json and re", function()
    assert.equal("+1555", require("phones").tidy("+1 555"))
    assert.equal("a", people.vips[1])
    assert.equal("[1]", json.encode({ 1 }))
    assert.equal("12", re.match("[0-9]+", "a12b"))
  end)

  it("is not what rules have", function()
    chert.mark_read("c1") --> "chert is not defined\nhint: a spec looks at a pack from outside: send it an event"
  end)

  it("is not what busted has", function()
    spy.on({}, "x") --> "spy is not defined\nhint: nothing has to be replaced"
  end)

  it("is what is spelt right", function()
    recieve({}) --> "recieve is not defined\nhint: did you mean receive\?"
  end)

  it("is not what the machine has", function()
    print(os.time()) --> "os is not defined\nhint: specs have no os"
  end)

  it("can't be changed", function()
    count = 1 --> "count is global, and can only be set while the file loads\nhint: write .local count."
  end)

  it("is not another it", function()
    it("inner", function() end) --> "it can't be used inside an it"
  end)

  it("is not without end", function()
    while true do
      seen[1] = 1 --> "stopped after 1,000,000 steps, its budget"
    end
  end)

  it("is not all the time in the world", function()
    for _ = 1, 10 do
      advance("366d") --> "advance: too many events or steps: by 20.* there were 20000 events and calls\nhint: advance in smaller steps"
    end
  end)
end)

describe("pending", function()
  pending("has a name alone")
  pending("may have a body", function()
    error("never run")
  end)
  it("is an it without a body")
  it("may be said within", function()
    pending("not sure yet")
    error("never reached")
  end)
end)
