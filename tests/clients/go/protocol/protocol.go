// Package protocol is what the driver and a client program say to each other: README.md beside the crate has the commands.
package protocol

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"sync"
)

// Command holds the arguments of every command; those that a command lacks are zero.
type Command struct {
	ID              int      `json:"id"`
	Op              string   `json:"op"`
	Topic           string   `json:"topic"`
	Partition       int32    `json:"partition"`
	Partitions      int32    `json:"partitions"`
	Codec           string   `json:"codec"`
	Idempotent      bool     `json:"idempotent"`
	TransactionalID string   `json:"transactional_id"`
	Commit          bool     `json:"commit"`
	Offset          int64    `json:"offset"`
	Count           int      `json:"count"`
	Timestamp       int64    `json:"timestamp"`
	Member          string   `json:"member"`
	Group           string   `json:"group"`
	Strategy        string   `json:"strategy"`
	Instance        string   `json:"instance"`
	Isolation       string   `json:"isolation"`
	Records         []Record `json:"records"`
	Writes          []Part   `json:"writes"`
	First           Part     `json:"first"`
	Second          Part     `json:"second"`
	Input           string   `json:"input"`
	Output          string   `json:"output"`
	Abort           int      `json:"abort"`
}

// Part is what a transaction writes into one partition.
type Part struct {
	Topic     string   `json:"topic"`
	Partition int32    `json:"partition"`
	Records   []Record `json:"records"`
}

// Part is what the command writes.
func (c Command) Part() Part {
	return Part{Topic: c.Topic, Partition: c.Partition, Records: c.Records}
}

// Record is one record; bytes are hexadecimal digits, nil is null.
type Record struct {
	Offset    int64        `json:"offset"`
	Key       *string      `json:"key"`
	Value     *string      `json:"value"`
	Headers   [][2]*string `json:"headers"`
	Timestamp int64        `json:"timestamp"`
}

// Fields are the parts of a line.
type Fields = map[string]any

var lock sync.Mutex

// Say writes one line; members' goroutines and the main one take turns.
func Say(fields Fields) {
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	lock.Lock()
	defer lock.Unlock()
	fmt.Fprintf(os.Stdout, "%s\n", line)
}

// Assigned tells all partitions that a member has now.
func Assigned(member string, partitions []int32) {
	list := append([]int32{}, partitions...)
	sort.Slice(list, func(a, b int) bool { return list[a] < list[b] })
	Say(Fields{"event": "assigned", "member": member, "partitions": list})
}

// Read tells a record of a member, after its commit.
func Read(member string, partition int32, offset int64, value []byte) {
	Say(Fields{"event": "record", "member": member, "partition": partition, "offset": offset, "value": Hex(value)})
}

// Failed tells that a member cannot go on.
func Failed(member string, err error) {
	Say(Fields{"event": "failed", "member": member, "error": err.Error()})
}

// Hex is nil for nil.
func Hex(value []byte) *string {
	if value == nil {
		return nil
	}
	digits := hex.EncodeToString(value)
	return &digits
}

// Bytes is nil for nil, and never nil for an empty string.
func Bytes(digits *string) []byte {
	if digits == nil {
		return nil
	}
	value, err := hex.DecodeString(*digits)
	if err != nil {
		panic(err)
	}
	return append([]byte{}, value...)
}

// Version is that of a module this program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, it := range info.Deps {
		if it.Path == module {
			return it.Version
		}
	}
	return "?"
}

// Serve answers commands until the input ends.
func Serve(answer func(Command) (Fields, error)) {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	for input.Scan() {
		var command Command
		if err := json.Unmarshal(input.Bytes(), &command); err != nil {
			panic(err)
		}
		ok, err := answer(command)
		if err != nil {
			Say(Fields{"id": command.ID, "error": err.Error()})
		} else {
			Say(Fields{"id": command.ID, "ok": ok})
		}
	}
}
