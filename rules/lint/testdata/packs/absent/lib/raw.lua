return data.load("lists")
