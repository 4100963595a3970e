package sqlite

import "database/sql/driver"

func init() {
	samples[selectOldEvents] = []driver.Value{int64(50), int64(10)}
	samples[selectOldTexts] = []driver.Value{int64(50), int64(10)}
	samples[selectMissedPack] = []driver.Value{""}
	samples[selectMissedSeqs] = []driver.Value{"pack", int64(50), int64(60)}
	samples[selectOldIDs] = []driver.Value{"event 5", int64(50), int64(10)}
	samples[selectDay] = []driver.Value{int64(50)}
	samples[insertDay] = []driver.Value{int64(50), int64(5)}
	samples[deleteDays] = []driver.Value{int64(50)}
}
