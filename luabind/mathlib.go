package luabind

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// mathLibrary returns Lua 5.1's math library without randomseed: random is seeded
// by the call, so that the same event gives the same numbers. gopher-lua's own
// library reads strings as Go reads numbers ("1_000", "0b1"), has the largest
// finite number for huge, shares one generator between all states, and charges
// nothing for a remainder that takes long.
func mathLibrary() map[string]lua.LValue {
	lib := functions(map[string]lua.LGFunction{
		"abs": math1(math.Abs), "acos": math1(math.Acos), "asin": math1(math.Asin), "atan": math1(math.Atan),
		"atan2": math2(math.Atan2), "ceil": math1(math.Ceil), "cos": math1(math.Cos), "cosh": math1(math.Cosh),
		"deg": math1(func(x float64) float64 { return x / (math.Pi / 180) }), "exp": math1(math.Exp), "floor": math1(math.Floor),
		"fmod": mathMod, "frexp": mathFrexp, "ldexp": mathLdexp, "log": math1(math.Log), "log10": math1(math.Log10),
		"max": mathMax, "min": mathMin, "mod": mathMod, "modf": mathModf, "pow": math2(math.Pow),
		"rad": math1(func(x float64) float64 { return x * (math.Pi / 180) }), "random": mathRandom,
		"sin": math1(math.Sin), "sinh": math1(math.Sinh), "sqrt": math1(math.Sqrt), "tan": math1(math.Tan), "tanh": math1(math.Tanh),
	})
	lib["pi"] = lua.LNumber(math.Pi)
	lib["huge"] = lua.LNumber(math.Inf(1))
	return lib
}

func math1(f func(float64) float64) lua.LGFunction {
	return func(L *lua.LState) int {
		L.Push(lua.LNumber(f(float64(numberArg(L, 1)))))
		return 1
	}
}

func math2(f func(x, y float64) float64) lua.LGFunction {
	return func(L *lua.LState) int {
		L.Push(lua.LNumber(f(float64(numberArg(L, 1)), float64(numberArg(L, 2)))))
		return 1
	}
}

func mathMod(L *lua.LState) int {
	x, y := float64(numberArg(L, 1)), float64(numberArg(L, 2))
	charge(L, modSteps(x, y), 0)
	L.Push(lua.LNumber(math.Mod(x, y)))
	return 1
}

func mathFrexp(L *lua.LState) int {
	frac, exp := math.Frexp(float64(numberArg(L, 1)))
	L.Push(lua.LNumber(frac))
	L.Push(lua.LNumber(exp))
	return 2
}

func mathLdexp(L *lua.LState) int {
	L.Push(lua.LNumber(math.Ldexp(float64(numberArg(L, 1)), intArg(L, 2))))
	return 1
}

func mathModf(L *lua.LState) int {
	x := float64(numberArg(L, 1))
	whole, frac := math.Modf(x)
	if math.IsInf(x, 0) {
		frac = 0
	}
	L.Push(lua.LNumber(whole))
	L.Push(lua.LNumber(frac))
	return 2
}

func mathMax(L *lua.LState) int {
	best := numberArg(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if n := numberArg(L, i); n > best {
			best = n
		}
	}
	L.Push(best)
	return 1
}

func mathMin(L *lua.LState) int {
	best := numberArg(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if n := numberArg(L, i); n < best {
			best = n
		}
	}
	L.Push(best)
	return 1
}

func mathRandom(L *lua.LState) int {
	r := vmOf(L).random.float()
	switch L.GetTop() {
	case 0:
		L.Push(lua.LNumber(r))
		return 1
	case 1, 2:
		lo, hi := 1.0, math.Floor(float64(numberArg(L, 1)))
		if L.GetTop() == 2 {
			lo, hi = hi, math.Floor(float64(numberArg(L, 2)))
		}
		if !(lo <= hi) {
			argError(L, L.GetTop(), "interval is empty")
		}
		L.Push(lua.LNumber(lo + math.Floor(r*(hi-lo+1))))
		return 1
	}
	L.RaiseError("wrong number of arguments")
	return 0
}

// random is SplitMix64 (Steele, Lea, Flood 2014). It has eight bytes of state and
// takes any seed; the generators of math/rand/v2 need more of both.
type random struct{ state uint64 }

func (r *random) seed(s uint64) { r.state = s }

// float is a number of [0, 1).
func (r *random) float() float64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
