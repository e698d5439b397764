CREATE TEMPORARY TABLE `landed` (
  `carrier` STRING,
  `delay` DOUBLE,
  `due` BIGINT,
  `gate` BIGINT,
  `id` STRING,
  `landed_at` BIGINT,
  `seats` BIGINT,
  `_topic` STRING METADATA FROM 'topic' VIRTUAL,
  `_partition` INT METADATA FROM 'partition' VIRTUAL,
  `_offset` BIGINT METADATA FROM 'offset' VIRTUAL,
  `_kafka_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR `_kafka_time` AS `_kafka_time` - INTERVAL '0.001' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'landed',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.group.id' = 'augury.lifetime.v1',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'value.format' = 'augury-avro',
  'value.augury-avro.url' = 'http://registry:8080/apis/ccompat/v7',
  'properties.security.protocol' = 'SSL'
);

CREATE TEMPORARY TABLE `features.lifetime.v1` (
  `entity` STRING NOT NULL,
  `event_timestamp` TIMESTAMP(3) NOT NULL,
  `last_event_time` TIMESTAMP(3) NOT NULL,
  `seq` BIGINT NOT NULL,
  `topic` STRING,
  `partition` INT,
  `offset` BIGINT,
  `count` BIGINT,
  `seats_sum` BIGINT,
  `delay_max` DOUBLE,
  `hour_last` BIGINT,
  `gate_last` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.lifetime.v1',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.compression.type' = 'lz4',
  'properties.linger.ms' = '5',
  'properties.batch.size' = '131072',
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'augury-avro',
  'value.augury-avro.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.augury-avro.subject' = 'features.lifetime.v1-value',
  'value.augury-avro.schema' = '{"type": "record", "name": "lifetime_v1", "namespace": "augury.features", "fields": [{"name": "entity", "type": "string"}, {"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "last_event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "seq", "type": "long"}, {"name": "topic", "type": ["null", "string"], "default": null}, {"name": "partition", "type": ["null", "int"], "default": null}, {"name": "offset", "type": ["null", "long"], "default": null}, {"name": "count", "type": ["null", "long"], "default": null}, {"name": "seats_sum", "type": ["null", "long"], "default": null}, {"name": "delay_max", "type": ["null", "double"], "default": null}, {"name": "hour_last", "type": ["null", "long"], "default": null}, {"name": "gate_last", "type": ["null", "long"], "default": null}]}',
  'key.format' = 'raw',
  'key.fields' = 'entity',
  'properties.security.protocol' = 'SSL'
);

CREATE TEMPORARY TABLE `dead_letters` (
  `origin` STRING NOT NULL,
  `topic` STRING NOT NULL,
  `partition` INT NOT NULL,
  `offset` BIGINT NOT NULL,
  `reason` STRING NOT NULL,
  `payload` BYTES,
  `at` TIMESTAMP(3) NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'dead_letters',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.compression.type' = 'lz4',
  'properties.linger.ms' = '5',
  'properties.batch.size' = '131072',
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'augury-avro',
  'value.augury-avro.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.augury-avro.subject' = 'dead_letters-value',
  'value.augury-avro.schema' = '{"type": "record", "name": "dead_letter", "namespace": "augury", "doc": "A record that was refused; (origin, topic, partition, offset) is its identity.", "fields": [{"name": "origin", "type": "string", "doc": "Who refused it."}, {"name": "topic", "type": "string"}, {"name": "partition", "type": "int"}, {"name": "offset", "type": "long"}, {"name": "reason", "type": "string"}, {"name": "payload", "type": ["null", "bytes"], "default": null}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "The refused record''s Kafka time."}]}',
  'properties.security.protocol' = 'SSL'
);

CREATE TEMPORARY TABLE `features.clocks` (
  `group` STRING NOT NULL,
  `version` INT NOT NULL,
  `clock` TIMESTAMP(3) NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.clocks',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.compression.type' = 'lz4',
  'properties.linger.ms' = '5',
  'properties.batch.size' = '131072',
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'augury-avro',
  'value.augury-avro.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.augury-avro.subject' = 'features.clocks-value',
  'value.augury-avro.schema' = '{"type": "record", "name": "feature_clock", "namespace": "augury", "doc": "How far a feature group''s stream has processed the log''s clock.", "fields": [{"name": "group", "type": "string"}, {"name": "version", "type": "int"}, {"name": "clock", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}',
  'properties.security.protocol' = 'SSL'
);

-- taken
SELECT `landed_at` AS `_ts`, `t`, `_topic`, `_partition`, `_offset`, `carrier`, `delay`, `due`, `gate`, `seats`
FROM `clocked_landed`;

-- events
SELECT 
  REPLACE(REPLACE(`carrier`, '\', '\\'), '|', '\|') AS `entity`,
  `_ts` AS `ts`,
  `t`, `_topic` AS `topic`, `_partition` AS `partition`, `_offset` AS `offset`,
  `seats` AS `seats`,
  `delay` AS `delay`,
  CASE WHEN `due` BETWEEN -2208988800000 AND 10413791999999 THEN EXTRACT(HOUR FROM TIMESTAMPADD(YEAR, 400, CAST(CONVERT_TZ(SUBSTRING(CAST(TO_TIMESTAMP_LTZ(`due`, 3) AS STRING), 1, 19), 'UTC', 'America/New_York') AS TIMESTAMP(0)))) - CAST(0 AS BIGINT) END AS `hour`,
  `gate` AS `gate`
FROM taken
WHERE (NOT (`carrier` IS NULL));

INSERT INTO `features.lifetime.v1`
SELECT 
  `entity`,
  CAST(TO_TIMESTAMP_LTZ(`event_timestamp`, 3) AS TIMESTAMP(3)) AS `event_timestamp`,
  CAST(TO_TIMESTAMP_LTZ(`last_event_time`, 3) AS TIMESTAMP(3)) AS `last_event_time`,
  `seq`,
  `topic`,
  `partition`,
  `offset`,
  `count`,
  `seats_sum`,
  `delay_max`,
  `hour_last`,
  `gate_last`
FROM windowed;

INSERT INTO `dead_letters`
SELECT `origin`, `topic`, `partition`, `offset`, `reason`, CAST(NULL AS BYTES), CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3))
FROM refused;

INSERT INTO `features.clocks`
SELECT `group`, `version`, CAST(TO_TIMESTAMP_LTZ(`clock`, 3) AS TIMESTAMP(3))
FROM clocks;
