// franz-go: a producer, consumers and kadm's administration.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/clients/protocol"
)

const timeout = 30 * time.Second

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

var balancers = map[string]kgo.GroupBalancer{
	"range":              kgo.RangeBalancer(),
	"cooperative-sticky": kgo.CooperativeStickyBalancer(),
}

type client struct {
	broker  kgo.Opt
	admin   *kadm.Client
	members map[string]*member
}

func main() {
	broker := kgo.SeedBrokers(os.Args[1])
	connection, err := kgo.NewClient(broker)
	if err != nil {
		panic(err)
	}
	c := &client{broker: broker, admin: kadm.NewClient(connection), members: map[string]*member{}}
	protocol.Serve(c.answer)
}

func (c *client) answer(command protocol.Command) (protocol.Fields, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch command.Op {
	case "info":
		return protocol.Fields{
			"version": protocol.Version("github.com/twmb/franz-go"), "codecs": []string{"none", "gzip", "snappy", "lz4", "zstd"},
			"idempotent": true, "transactions": true, "cannot": []string{},
			"strategies": []string{"range", "cooperative-sticky"}, "static_members": true,
		}, nil
	case "create_topic":
		_, err := c.admin.CreateTopic(ctx, command.Partitions, 1, nil, command.Topic)
		return nil, err
	case "list_topics":
		return c.listTopics(ctx)
	case "delete_topic":
		_, err := c.admin.DeleteTopic(ctx, command.Topic)
		return nil, err
	case "produce":
		return nil, c.produce(ctx, command)
	case "transaction":
		return nil, c.transaction(ctx, command)
	case "fence":
		return c.fence(ctx, command)
	case "transform":
		return c.transform(ctx, command)
	case "consume":
		return c.consume(ctx, command)
	case "offset_for_time":
		found, err := c.admin.ListOffsetsAfterMilli(ctx, command.Timestamp, command.Topic)
		if err != nil {
			return nil, err
		}
		offset, _ := found.Lookup(command.Topic, command.Partition)
		return protocol.Fields{"offset": offset.Offset}, offset.Err
	case "join":
		return nil, c.join(command)
	case "leave":
		c.members[command.Member].leave()
		delete(c.members, command.Member)
		return nil, nil
	case "committed":
		return c.committed(ctx, command)
	}
	return nil, fmt.Errorf("unknown command %s", command.Op)
}

// listTopics asks through a connection of its own: kadm answers from what a client remembers for some seconds.
func (c *client) listTopics(ctx context.Context) (protocol.Fields, error) {
	connection, err := kgo.NewClient(c.broker)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	topics, err := kadm.NewClient(connection).ListTopics(ctx)
	return protocol.Fields{"topics": topics.Names()}, err
}

func (c *client) produce(ctx context.Context, command protocol.Command) error {
	options := []kgo.Opt{c.broker, kgo.RecordPartitioner(kgo.ManualPartitioner())}
	options = append(options, kgo.ProducerBatchCompression(codecs[command.Codec]), kgo.ProducerLinger(20*time.Millisecond))
	if !command.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	producer, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.ProduceSync(ctx, recordsOf(command.Part())...).FirstErr()
}

func recordsOf(part protocol.Part) []*kgo.Record {
	var records []*kgo.Record
	for _, record := range part.Records {
		var headers []kgo.RecordHeader
		for _, header := range record.Headers {
			headers = append(headers, kgo.RecordHeader{Key: *header[0], Value: protocol.Bytes(header[1])})
		}
		records = append(records, &kgo.Record{
			Topic: part.Topic, Partition: part.Partition, Timestamp: time.UnixMilli(record.Timestamp),
			Key: protocol.Bytes(record.Key), Value: protocol.Bytes(record.Value), Headers: headers,
		})
	}
	return records
}

func (c *client) consume(ctx context.Context, command protocol.Command) (protocol.Fields, error) {
	from := map[int32]kgo.Offset{command.Partition: kgo.NewOffset().At(command.Offset)}
	places := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{command.Topic: from})
	isolation := kgo.ReadUncommitted()
	if command.Isolation == "read_committed" {
		isolation = kgo.ReadCommitted()
	}
	consumer, err := kgo.NewClient(c.broker, places, kgo.FetchIsolationLevel(isolation))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	records := []protocol.Record{}
	for len(records) < command.Count {
		fetches := consumer.PollRecords(ctx, command.Count-len(records))
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			headers := [][2]*string{}
			for _, header := range record.Headers {
				headers = append(headers, [2]*string{&header.Key, protocol.Hex(header.Value)})
			}
			records = append(records, protocol.Record{
				Offset: record.Offset, Key: protocol.Hex(record.Key), Value: protocol.Hex(record.Value),
				Headers: headers, Timestamp: record.Timestamp.UnixMilli(),
			})
		})
	}
	return protocol.Fields{"records": records}, nil
}

func (c *client) committed(ctx context.Context, command protocol.Command) (protocol.Fields, error) {
	found, err := c.admin.FetchOffsets(ctx, command.Group)
	if err != nil {
		return nil, err
	}
	offsets := protocol.Fields{}
	found.Each(func(offset kadm.OffsetResponse) {
		offsets[strconv.Itoa(int(offset.Partition))] = offset.At
	})
	return protocol.Fields{"offsets": offsets}, nil
}

// A member is a consumer in a group, in a goroutine of its own. A record is told after its commit.
type member struct {
	name     string
	consumer *kgo.Client
	stop     context.CancelFunc
	done     chan struct{}
	lock     sync.Mutex
	assigned map[int32]bool
}

func (c *client) join(command protocol.Command) error {
	ctx, stop := context.WithCancel(context.Background())
	m := &member{name: command.Member, stop: stop, done: make(chan struct{}), assigned: map[int32]bool{}}
	changed := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.changed(partitions[command.Topic], has)
		}
	}
	options := []kgo.Opt{
		c.broker, kgo.Balancers(balancers[command.Strategy]),
		kgo.ConsumerGroup(command.Group), kgo.ConsumeTopics(command.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(200 * time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(changed(true)), kgo.OnPartitionsRevoked(changed(false)), kgo.OnPartitionsLost(changed(false)),
	}
	if command.Instance != "" {
		options = append(options, kgo.InstanceID(command.Instance))
	}
	consumer, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	m.consumer = consumer
	c.members[m.name] = m
	go m.run(ctx)
	return nil
}

// changed is called with what came or went.
func (m *member) changed(partitions []int32, has bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, partition := range partitions {
		m.assigned[partition] = has
	}
	var all []int32
	for partition, has := range m.assigned {
		if has {
			all = append(all, partition)
		}
	}
	protocol.Assigned(m.name, all)
}

func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		if err := fetches.Err(); err != nil {
			protocol.Failed(m.name, err)
			return
		}
		records := fetches.Records()
		if len(records) > 0 {
			if err := m.consumer.CommitRecords(ctx, records...); err != nil && ctx.Err() == nil {
				protocol.Failed(m.name, err)
				return
			}
		}
		for _, record := range records {
			protocol.Read(m.name, record.Partition, record.Offset, record.Value)
		}
		m.consumer.AllowRebalance()
	}
}

func (m *member) leave() {
	m.stop()
	<-m.done
	m.consumer.CloseAllowingRebalance()
}
