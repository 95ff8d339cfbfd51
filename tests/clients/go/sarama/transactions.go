package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"sluice/clients/protocol"
)

// Records of one transaction of transform.
const atOnce = 5

func (c *client) transaction(command protocol.Command) error {
	producer, err := c.begun(command.TransactionalID)
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, part := range command.Writes {
		if err := producer.SendMessages(messagesOf(part)); err != nil {
			return err
		}
	}
	if command.Commit {
		return producer.CommitTxn()
	}
	return producer.AbortTxn()
}

// fence tells what the first of two producers of one transactional id gets when it commits after the second.
func (c *client) fence(command protocol.Command) (protocol.Fields, error) {
	first, err := c.begun(command.TransactionalID)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	if err := first.SendMessages(messagesOf(command.First)); err != nil {
		return nil, err
	}
	second, err := c.begun(command.TransactionalID)
	if err != nil {
		return nil, err
	}
	defer second.Close()
	if err := errors.Join(second.SendMessages(messagesOf(command.Second)), second.CommitTxn()); err != nil {
		return nil, err
	}
	if err := first.CommitTxn(); err != nil {
		return protocol.Fields{"error": err.Error()}, nil
	}
	return nil, errors.New("the first committed")
}

// A passer consumes, transforms and produces: each transaction takes the offsets of what it read with it; one is aborted.
type passer struct {
	command  protocol.Command
	producer sarama.SyncProducer
	turn     int
	done     int
	aborted  int
	failed   error
	stop     context.CancelFunc
}

func (c *client) transform(command protocol.Command) (protocol.Fields, error) {
	config := settings()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	group, err := sarama.NewConsumerGroup(c.brokers, command.Group, config)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	producer, err := c.initialized(command.TransactionalID)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	p := &passer{command: command, producer: producer, stop: stop}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{command.Input}, p); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, ctx.Err()
	}
	return protocol.Fields{"aborted": p.aborted}, p.failed
}

// Setup has nothing to do.
func (p *passer) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup has nothing to do: offsets are committed by transactions.
func (p *passer) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim reads the one partition. After an abort it ends, and with it the session: the next starts at what is committed.
func (p *passer) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for p.done < p.command.Count {
		committed, err := p.pass(session, claim)
		if err != nil {
			p.failed = err
			p.stop()
			return err
		}
		if !committed {
			return nil
		}
	}
	p.stop()
	return nil
}

func (p *passer) pass(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) (bool, error) {
	if err := p.producer.BeginTxn(); err != nil {
		return false, err
	}
	taken := 0
	for taken < min(atOnce, p.command.Count-p.done) {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return false, p.producer.AbortTxn()
			}
			value := sarama.ByteEncoder(message.Value)
			passed := &sarama.ProducerMessage{Topic: p.command.Output, Partition: message.Partition, Value: value}
			if _, _, err := p.producer.SendMessage(passed); err != nil {
				return false, err
			}
			if err := p.producer.AddMessageToTxn(message, p.command.Group, nil); err != nil {
				return false, err
			}
			taken++
		case <-session.Context().Done():
			return false, p.producer.AbortTxn()
		}
	}
	turn := p.turn
	p.turn++
	if turn == p.command.Abort {
		p.aborted += taken
		return false, p.producer.AbortTxn()
	}
	p.done += taken
	return true, p.producer.CommitTxn()
}

func (c *client) begun(id string) (sarama.SyncProducer, error) {
	producer, err := c.initialized(id)
	if err != nil {
		return nil, err
	}
	return producer, producer.BeginTxn()
}

func (c *client) initialized(id string) (sarama.SyncProducer, error) {
	config := producing()
	idempotent(config)
	config.Producer.Transaction.ID = id
	return sarama.NewSyncProducer(c.brokers, config)
}
