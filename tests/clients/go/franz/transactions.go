package main

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/clients/protocol"
)

// Records of one transaction of transform.
const atOnce = 5

func (c *client) transaction(ctx context.Context, command protocol.Command) error {
	producer, err := c.begun(command.TransactionalID)
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, part := range command.Writes {
		if err := producer.ProduceSync(ctx, recordsOf(part)...).FirstErr(); err != nil {
			return err
		}
	}
	return producer.EndTransaction(ctx, kgo.TransactionEndTry(command.Commit))
}

// fence tells what the first of two producers of one transactional id gets when it commits after the second.
func (c *client) fence(ctx context.Context, command protocol.Command) (protocol.Fields, error) {
	first, err := c.begun(command.TransactionalID)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	if err := first.ProduceSync(ctx, recordsOf(command.First)...).FirstErr(); err != nil {
		return nil, err
	}
	second, err := c.begun(command.TransactionalID)
	if err != nil {
		return nil, err
	}
	defer second.Close()
	if err := second.ProduceSync(ctx, recordsOf(command.Second)...).FirstErr(); err != nil {
		return nil, err
	}
	if err := second.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return nil, err
	}
	if err := first.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return protocol.Fields{"error": err.Error()}, nil
	}
	return nil, errors.New("the first committed")
}

// transform consumes, transforms and produces: each transaction takes the offsets of what it read with it; one is aborted.
func (c *client) transform(ctx context.Context, command protocol.Command) (protocol.Fields, error) {
	session, err := kgo.NewGroupTransactSession(
		c.broker, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(command.TransactionalID),
		kgo.ConsumerGroup(command.Group), kgo.ConsumeTopics(command.Input), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets())
	if err != nil {
		return nil, err
	}
	defer session.Close()
	aborted := 0
	for turn, done := 0, 0; done < command.Count; turn++ {
		fetches := session.PollRecords(ctx, atOnce)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		if err := session.Begin(); err != nil {
			return nil, err
		}
		var passed []*kgo.Record
		fetches.EachRecord(func(it *kgo.Record) {
			passed = append(passed, &kgo.Record{Topic: command.Output, Partition: it.Partition, Key: it.Key, Value: it.Value})
		})
		if err := session.ProduceSync(ctx, passed...).FirstErr(); err != nil {
			return nil, err
		}
		committed, err := session.End(ctx, kgo.TransactionEndTry(turn != command.Abort))
		if err != nil {
			return nil, err
		}
		if committed {
			done += len(passed)
		} else {
			aborted += len(passed)
		}
	}
	return protocol.Fields{"aborted": aborted}, nil
}

func (c *client) begun(id string) (*kgo.Client, error) {
	manual := kgo.RecordPartitioner(kgo.ManualPartitioner())
	producer, err := kgo.NewClient(c.broker, manual, kgo.TransactionalID(id))
	if err != nil {
		return nil, err
	}
	return producer, producer.BeginTransaction()
}
