// Send records of a file through librdkafka as fast as it takes them:
//   produce one|batch TOPIC RECORDS FILE NAME=VALUE...
// The file holds records one after the other: partition, length of key, length of value (three little-endian 32-bit
// numbers), key, value. Memory is not copied by us, there is no delivery callback: what arrived is counted at the broker.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 10000, FULL_WAIT_MS = 10, FLUSH_TIMEOUT_MS = 60000 };

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static rd_kafka_message_t *load(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    if (!file) fail("no such file");
    rd_kafka_message_t *all = NULL;
    size_t room = 0, n = 0;
    for (int32_t head[3]; fread(head, sizeof head, 1, file) == 1; n++) {
        if (n == room) all = realloc(all, (room = room ? 2 * room : 1024) * sizeof *all);
        char *bytes = malloc((size_t)head[1] + (size_t)head[2]);
        if (!all || !bytes || fread(bytes, (size_t)(head[1] + head[2]), 1, file) != 1) fail("a damaged file");
        all[n] = (rd_kafka_message_t){.partition = head[0], .key = bytes, .key_len = (size_t)head[1],
                                      .payload = bytes + head[1], .len = (size_t)head[2]};
    }
    fclose(file);
    *count = n;
    return all;
}

static void send_one(rd_kafka_t *client, rd_kafka_topic_t *topic, rd_kafka_message_t *m) {
    while (rd_kafka_produce(topic, m->partition, 0, m->payload, m->len, m->key, m->key_len, NULL) == -1) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("a record was refused");
        rd_kafka_poll(client, FULL_WAIT_MS);
    }
}

static void send_batch(rd_kafka_t *client, rd_kafka_topic_t *topic, rd_kafka_message_t *batch, int count) {
    while (count) {
        int sent = rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_PARTITION, batch, count), left = 0;
        if (sent == count) return;
        for (int i = 0; i < count; i++)
            if (batch[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL) batch[left++] = batch[i];
            else if (batch[i].err) fail("a record was refused");
        count = left;
        rd_kafka_poll(client, FULL_WAIT_MS);
    }
}

int main(int argc, char **argv) {
    if (argc < 5) fail("usage: produce one|batch TOPIC RECORDS FILE NAME=VALUE...");
    int batched = !strcmp(argv[1], "batch");
    long left = atol(argv[3]);
    size_t count, at = 0;
    rd_kafka_message_t *all = load(argv[4], &count), batch[BATCH];
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (int i = 5; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) fail("NAME=VALUE wanted");
        *value++ = 0;
        if (rd_kafka_conf_set(conf, argv[i], value, error, sizeof error)) fail(error);
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!client) fail(error);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[2], NULL);
    // The first alone: getting a producer id takes a second, in which the queue would fill for nothing.
    send_one(client, topic, &all[0]);
    rd_kafka_flush(client, FLUSH_TIMEOUT_MS);
    if (!batched)
        for (; left; left--, at = (at + 1) % count) {
            send_one(client, topic, &all[at]);
            if (left % BATCH == 0) rd_kafka_poll(client, 0);
        }
    while (left) {
        int n = 0;
        for (; n < BATCH && left; n++, left--, at = (at + 1) % count) batch[n] = all[at];
        send_batch(client, topic, batch, n);
        rd_kafka_poll(client, 0);
    }
    if (rd_kafka_flush(client, FLUSH_TIMEOUT_MS)) fail("records left after the flush");
    printf("%s\n", rd_kafka_version_str());
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    return 0;
}
