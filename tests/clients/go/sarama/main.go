// Sarama: its sync producer, consumer, consumer group and cluster admin.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"sluice/clients/protocol"
)

const timeout = 30 * time.Second

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

var strategies = map[string]func() sarama.BalanceStrategy{
	"range":              sarama.NewBalanceStrategyRange,
	"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
}

type client struct {
	brokers []string
	admin   sarama.ClusterAdmin
	members map[string]*member
}

func main() {
	brokers := []string{os.Args[1]}
	admin, err := sarama.NewClusterAdmin(brokers, settings())
	if err != nil {
		panic(err)
	}
	c := &client{brokers: brokers, admin: admin, members: map[string]*member{}}
	protocol.Serve(c.answer)
}

// settings are Sarama's defaults, its protocol version 2.8 with them; headers need 0.11, zstd 2.1.
func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "sluice-clients"
	return config
}

func (c *client) answer(command protocol.Command) (protocol.Fields, error) {
	switch command.Op {
	case "info":
		return protocol.Fields{
			"version": protocol.Version("github.com/IBM/sarama"), "codecs": []string{"none", "gzip", "snappy", "lz4", "zstd"},
			"idempotent": true, "transactions": true, "cannot": []string{},
			"strategies": []string{"range", "cooperative-sticky"}, "static_members": true,
		}, nil
	case "create_topic":
		detail := &sarama.TopicDetail{NumPartitions: command.Partitions, ReplicationFactor: 1}
		return nil, c.admin.CreateTopic(command.Topic, detail, false)
	case "list_topics":
		topics, err := c.admin.ListTopics()
		names := []string{}
		for name := range topics {
			names = append(names, name)
		}
		return protocol.Fields{"topics": names}, err
	case "delete_topic":
		return nil, c.admin.DeleteTopic(command.Topic)
	case "produce":
		return nil, c.produce(command)
	case "transaction":
		return nil, c.transaction(command)
	case "fence":
		return c.fence(command)
	case "transform":
		return c.transform(command)
	case "consume":
		return c.consume(command)
	case "offset_for_time":
		connection, err := sarama.NewClient(c.brokers, settings())
		if err != nil {
			return nil, err
		}
		defer connection.Close()
		offset, err := connection.GetOffset(command.Topic, command.Partition, command.Timestamp)
		return protocol.Fields{"offset": offset}, err
	case "join":
		return nil, c.join(command)
	case "leave":
		m := c.members[command.Member]
		delete(c.members, command.Member)
		return nil, m.leave()
	case "committed":
		return c.committed(command)
	}
	return nil, fmt.Errorf("unknown command %s", command.Op)
}

func producing() *sarama.Config {
	config := settings()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	return config
}

func idempotent(config *sarama.Config) {
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
}

func (c *client) produce(command protocol.Command) error {
	config := producing()
	config.Producer.Compression = codecs[command.Codec]
	if command.Idempotent {
		idempotent(config)
	}
	producer, err := sarama.NewSyncProducer(c.brokers, config)
	if err != nil {
		return err
	}
	return errors.Join(producer.SendMessages(messagesOf(command.Part())), producer.Close())
}

func messagesOf(part protocol.Part) []*sarama.ProducerMessage {
	var messages []*sarama.ProducerMessage
	for _, record := range part.Records {
		message := &sarama.ProducerMessage{
			Topic: part.Topic, Partition: part.Partition, Timestamp: time.UnixMilli(record.Timestamp),
		}
		if record.Key != nil {
			message.Key = sarama.ByteEncoder(protocol.Bytes(record.Key))
		}
		if record.Value != nil {
			message.Value = sarama.ByteEncoder(protocol.Bytes(record.Value))
		}
		for _, header := range record.Headers {
			it := sarama.RecordHeader{Key: []byte(*header[0]), Value: protocol.Bytes(header[1])}
			message.Headers = append(message.Headers, it)
		}
		messages = append(messages, message)
	}
	return messages
}

func (c *client) consume(command protocol.Command) (protocol.Fields, error) {
	config := settings()
	if command.Isolation == "read_committed" {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer(c.brokers, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(command.Topic, command.Partition, command.Offset)
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	records := []protocol.Record{}
	late := time.After(timeout)
	for len(records) < command.Count {
		select {
		case message := <-partition.Messages():
			records = append(records, recordOf(message))
		case <-late:
			return nil, fmt.Errorf("%d of %d records within %v", len(records), command.Count, timeout)
		}
	}
	return protocol.Fields{"records": records}, nil
}

func recordOf(message *sarama.ConsumerMessage) protocol.Record {
	headers := [][2]*string{}
	for _, header := range message.Headers {
		name := string(header.Key)
		headers = append(headers, [2]*string{&name, protocol.Hex(header.Value)})
	}
	return protocol.Record{
		Offset: message.Offset, Key: protocol.Hex(message.Key), Value: protocol.Hex(message.Value),
		Headers: headers, Timestamp: message.Timestamp.UnixMilli(),
	}
}

func (c *client) committed(command protocol.Command) (protocol.Fields, error) {
	var partitions []int32
	for partition := int32(0); partition < command.Partitions; partition++ {
		partitions = append(partitions, partition)
	}
	answer, err := c.admin.ListConsumerGroupOffsets(command.Group, map[string][]int32{command.Topic: partitions})
	if err != nil {
		return nil, err
	}
	offsets := protocol.Fields{}
	for partition, block := range answer.Blocks[command.Topic] {
		offsets[strconv.Itoa(int(partition))] = block.Offset
	}
	return protocol.Fields{"offsets": offsets}, nil
}

// A member is a consumer in a group, in a goroutine of its own. A record is told after its commit.
type member struct {
	name  string
	topic string
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	done  chan struct{}
	lock  sync.Mutex
	// What it reads now: a cooperative session goes on across rebalances, and only its claims come and go.
	claims map[int32]bool
}

func (c *client) join(command protocol.Command) error {
	config := settings()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.InstanceId = command.Instance
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[command.Strategy]()}
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	group, err := sarama.NewConsumerGroup(c.brokers, command.Group, config)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &member{name: command.Member, topic: command.Topic, group: group, stop: stop, done: make(chan struct{})}
	m.claims = map[int32]bool{}
	c.members[m.name] = m
	go m.run(ctx)
	return nil
}

// run consumes one generation of the group after the other.
func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil && ctx.Err() == nil {
			protocol.Failed(m.name, err)
			return
		}
	}
}

func (m *member) leave() error {
	m.stop()
	<-m.done
	return m.group.Close()
}

// Setup has nothing to do: each claim tells of itself.
func (m *member) Setup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) changed(partition int32, has bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.claims[partition] = has
	var all []int32
	for partition, has := range m.claims {
		if has {
			all = append(all, partition)
		}
	}
	protocol.Assigned(m.name, all)
}

// Cleanup has nothing to do: everything told is committed.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim reads one partition.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.changed(claim.Partition(), true)
	defer m.changed(claim.Partition(), false)
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			session.MarkMessage(message, "")
			session.Commit()
			protocol.Read(m.name, message.Partition, message.Offset, message.Value)
		case <-session.Context().Done():
			return nil
		}
	}
}
