CREATE TEMPORARY TABLE `landed` (
  `id` STRING,
  `landed_at` BIGINT,
  `carrier` STRING,
  `gate` BIGINT,
  `delay` DOUBLE,
  `seats` BIGINT,
  `diverted` BOOLEAN,
  `due` BIGINT,
  `_topic` STRING METADATA FROM 'topic' VIRTUAL,
  `_partition` INT METADATA FROM 'partition' VIRTUAL,
  `_offset` BIGINT METADATA FROM 'offset' VIRTUAL,
  `_kafka_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR `_kafka_time` AS `_kafka_time` - INTERVAL '0.001' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'landed',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.group.id' = 'augury.whole.v2',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'value.format' = 'augury-avro',
  'value.augury-avro.url' = 'http://registry:8080/apis/ccompat/v7',
  'properties.security.protocol' = 'SSL'
);

CREATE TEMPORARY TABLE `features.whole.v2` (
  `entity` STRING NOT NULL,
  `event_timestamp` TIMESTAMP(3) NOT NULL,
  `last_event_time` TIMESTAMP(3) NOT NULL,
  `seq` BIGINT NOT NULL,
  `topic` STRING,
  `partition` INT,
  `offset` BIGINT,
  `delay_sum_1h` DOUBLE,
  `delay_mean_1h` DOUBLE,
  `delay_min_1h` DOUBLE,
  `delay_max_1h` DOUBLE,
  `delay_last_1h` DOUBLE,
  `delay_count_1h` BIGINT,
  `seats_sum_1h` BIGINT,
  `seats_mean_1h` DOUBLE,
  `seats_min_1h` BIGINT,
  `seats_max_1h` BIGINT,
  `seats_last_1h` BIGINT,
  `late_share_1h` DOUBLE,
  `late_last_1h` BOOLEAN,
  `late_count_1h` BIGINT,
  `carrier_last_1h` STRING,
  `count_1h` BIGINT,
  `delay_mean_6h` DOUBLE,
  `delay_last_6h` DOUBLE,
  `count_6h` BIGINT,
  `long_late_share_1d` DOUBLE,
  `seats_min` BIGINT,
  `carrier_last` STRING,
  `pace` DOUBLE,
  `busy` BOOLEAN,
  `near` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'features.whole.v2',
  'properties.bootstrap.servers' = 'log:9092',
  'properties.compression.type' = 'lz4',
  'properties.linger.ms' = '5',
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.avro-confluent.subject' = 'features.whole.v2-value',
  'value.avro-confluent.schema' = '{"type": "record", "name": "whole_v2", "namespace": "augury.features", "fields": [{"name": "entity", "type": "string"}, {"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "last_event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "seq", "type": "long"}, {"name": "topic", "type": ["null", "string"], "default": null}, {"name": "partition", "type": ["null", "int"], "default": null}, {"name": "offset", "type": ["null", "long"], "default": null}, {"name": "delay_sum_1h", "type": ["null", "double"], "default": null}, {"name": "delay_mean_1h", "type": ["null", "double"], "default": null}, {"name": "delay_min_1h", "type": ["null", "double"], "default": null}, {"name": "delay_max_1h", "type": ["null", "double"], "default": null}, {"name": "delay_last_1h", "type": ["null", "double"], "default": null}, {"name": "delay_count_1h", "type": ["null", "long"], "default": null}, {"name": "seats_sum_1h", "type": ["null", "long"], "default": null}, {"name": "seats_mean_1h", "type": ["null", "double"], "default": null}, {"name": "seats_min_1h", "type": ["null", "long"], "default": null}, {"name": "seats_max_1h", "type": ["null", "long"], "default": null}, {"name": "seats_last_1h", "type": ["null", "long"], "default": null}, {"name": "late_share_1h", "type": ["null", "double"], "default": null}, {"name": "late_last_1h", "type": ["null", "boolean"], "default": null}, {"name": "late_count_1h", "type": ["null", "long"], "default": null}, {"name": "carrier_last_1h", "type": ["null", "string"], "default": null}, {"name": "count_1h", "type": ["null", "long"], "default": null}, {"name": "delay_mean_6h", "type": ["null", "double"], "default": null}, {"name": "delay_last_6h", "type": ["null", "double"], "default": null}, {"name": "count_6h", "type": ["null", "long"], "default": null}, {"name": "long_late_share_1d", "type": ["null", "double"], "default": null}, {"name": "seats_min", "type": ["null", "long"], "default": null}, {"name": "carrier_last", "type": ["null", "string"], "default": null}, {"name": "pace", "type": ["null", "double"], "default": null}, {"name": "busy", "type": ["null", "boolean"], "default": null}, {"name": "near", "type": ["null", "double"], "default": null}]}',
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
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.avro-confluent.subject' = 'dead_letters-value',
  'value.avro-confluent.schema' = '{"type": "record", "name": "dead_letter", "namespace": "augury", "doc": "A record that was refused; (origin, topic, partition, offset) is its identity.", "fields": [{"name": "origin", "type": "string", "doc": "Who refused it."}, {"name": "topic", "type": "string"}, {"name": "partition", "type": "int"}, {"name": "offset", "type": "long"}, {"name": "reason", "type": "string"}, {"name": "payload", "type": ["null", "bytes"], "default": null}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "The refused record''s Kafka time."}]}',
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
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = 'http://registry:8080/apis/ccompat/v7',
  'value.avro-confluent.subject' = 'features.clocks-value',
  'value.avro-confluent.schema' = '{"type": "record", "name": "feature_clock", "namespace": "augury", "doc": "How far a feature group''s stream has processed the log''s clock.", "fields": [{"name": "group", "type": "string"}, {"name": "version", "type": "int"}, {"name": "clock", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}',
  'properties.security.protocol' = 'SSL'
);

-- clocked: the source's rows with T, without refused ones and duplicates
SELECT 
  REPLACE(REPLACE(`carrier`, '\', '\\'), '|', '\|') || '|' || REPLACE(REPLACE(CAST(`gate` AS STRING), '\', '\\'), '|', '\|') || '|' || REPLACE(REPLACE(CASE WHEN `diverted` THEN 'true' WHEN NOT `diverted` THEN 'false' END, '\', '\\'), '|', '\|') AS `entity`,
  `landed_at` AS `ts`,
  `t`, `_topic` AS `topic`, `_partition` AS `partition`, `_offset` AS `offset`,
  `delay` AS `delay`,
  `seats` AS `seats`,
  ((`delay` > CAST('15.0' AS DOUBLE)) AND (`seats` > CAST(2 AS BIGINT))) AS `late`,
  `carrier` AS `carrier`,
  (((`delay` > CAST('15.0' AS DOUBLE)) AND (`seats` > CAST(2 AS BIGINT))) AND (`delay` > CAST('120.0' AS DOUBLE))) AS `long_late`
FROM clocked
WHERE ((NOT `diverted`) OR (`delay` > CAST('0.5' AS DOUBLE)));

INSERT INTO `features.whole.v2`
SELECT 
  `entity`,
  CAST(TO_TIMESTAMP_LTZ(`event_timestamp`, 3) AS TIMESTAMP(3)) AS `event_timestamp`,
  CAST(TO_TIMESTAMP_LTZ(`last_event_time`, 3) AS TIMESTAMP(3)) AS `last_event_time`,
  `seq`,
  `topic`,
  `partition`,
  `offset`,
  `delay_sum_1h`,
  `delay_mean_1h`,
  `delay_min_1h`,
  `delay_max_1h`,
  `delay_last_1h`,
  `delay_count_1h`,
  `seats_sum_1h`,
  `seats_mean_1h`,
  `seats_min_1h`,
  `seats_max_1h`,
  `seats_last_1h`,
  `late_share_1h`,
  `late_last_1h`,
  `late_count_1h`,
  `carrier_last_1h`,
  `count_1h`,
  `delay_mean_6h`,
  `delay_last_6h`,
  `count_6h`,
  `long_late_share_1d`,
  `seats_min`,
  `carrier_last`,
  CAST((CAST((`count_1h` * CAST(6 AS BIGINT)) AS DOUBLE) / NULLIF(CAST(CASE WHEN (`count_6h` = CAST(0 AS BIGINT)) THEN CAST(NULL AS BIGINT) ELSE `count_6h` END AS DOUBLE), 0E0)) AS DOUBLE) AS `pace`,
  CAST((((CAST((`count_1h` * CAST(6 AS BIGINT)) AS DOUBLE) / NULLIF(CAST(CASE WHEN (`count_6h` = CAST(0 AS BIGINT)) THEN CAST(NULL AS BIGINT) ELSE `count_6h` END AS DOUBLE), 0E0)) > CAST('1.5' AS DOUBLE)) AND (NOT (COALESCE(`carrier_last_1h`, 'it''s none') = ''))) AS BOOLEAN) AS `busy`,
  CAST(CASE WHEN (CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL AS DOUBLE) END <= CAST('1000000.0' AS DOUBLE)) THEN CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL AS DOUBLE) END WHEN (CAST('1000000.0' AS DOUBLE) <= CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL AS DOUBLE) END) THEN CAST('1000000.0' AS DOUBLE) ELSE CAST(NULL AS DOUBLE) END AS DOUBLE) AS `near`
FROM windowed;

INSERT INTO `dead_letters`
SELECT `origin`, `topic`, `partition`, `offset`, `reason`, CAST(NULL AS BYTES), CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3))
FROM refused;

INSERT INTO `features.clocks`
SELECT `group`, `version`, CAST(TO_TIMESTAMP_LTZ(`clock`, 3) AS TIMESTAMP(3))
FROM clocks;
