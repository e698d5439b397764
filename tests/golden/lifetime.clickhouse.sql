-- gathered
SELECT cityHash64(entity) % 16 AS _slice,
  *
FROM (SELECT assumeNotNull(_entity) AS entity,
  _ts, _t, _topic, _partition, _offset, _a0, _a1, _a2, _a3
FROM (SELECT replaceAll(replaceAll(`carrier`, '\\', '\\\\'), '|', '\\|') AS _entity,
  _ts, _t, _topic, _partition, _offset, `seats` AS _a0,
  (`delay` + 0.) AS _a1,
  if(toUnixTimestamp64Milli(`due`) BETWEEN -2208988800000 AND 10413791999999, toInt64(toHour(`due`, 'America/New_York')), NULL) AS _a2,
  `gate` AS _a3
FROM (SELECT _ts, _t, _topic, _partition, _offset, `id`, `landed_at`, `carrier`, `gate`, `delay`, `seats`, `diverted`, `due`
FROM (SELECT *, lagInFrame(toNullable(_t)) OVER (PARTITION BY _id ORDER BY _t, _topic, _partition, _offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS _before
FROM (SELECT toUnixTimestamp64Milli(log_time) AS _t,
  log_topic AS _topic,
  log_partition AS _partition,
  log_offset AS _offset,
  least(toUnixTimestamp64Milli(assumeNotNull(_s.`landed_at`)), _t) AS _ts,
  _s.`id` AS _id,
  _s.`id` AS `id`,
  _s.`landed_at` AS `landed_at`,
  _s.`carrier` AS `carrier`,
  _s.`gate` AS `gate`,
  _s.`delay` AS `delay`,
  _s.`seats` AS `seats`,
  _s.`diverted` AS `diverted`,
  _s.`due` AS `due`
FROM `landed` AS _s FINAL
WHERE log_time >= fromUnixTimestamp64Milli(toInt64(1356994800000), 'UTC') AND log_time < fromUnixTimestamp64Milli(toInt64(1359676800000), 'UTC')))
WHERE _t >= 1356998400000 AND (isNull(_before) OR _t - _before >= 3600000))
WHERE ((NOT isNull(`carrier`))) = 1)
WHERE isNotNull(_entity) AND (isNull(_a0) OR abs(_a0) <= 1000000000000) AND (isNull(_a1) OR abs(_a1) <= 1000000000000) AND (isNull(_a2) OR abs(_a2) <= 1000000000000) AND (isNull(_a3) OR abs(_a3) <= 1000000000000));

-- staged
SELECT * EXCEPT (_first)
FROM (SELECT entity, _t, dense_rank() OVER w AS seq,
  _kind, _topic, _partition, _offset, _ts, max(_ts) OVER w AS _last_ts,
  _a2, _a3, sum(_d_count_all) OVER w AS _count_all,
  sum(_d_sum0_all) OVER w AS _sum0_all,
  max(_a1) OVER w AS _max1_all,
  row_number() OVER w = rank() OVER w AS _first
FROM (SELECT entity, _t, 1 AS _kind,
  _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, toInt128(1) AS _d_count_all,
  toInt128(ifNull(_a0, 0)) AS _d_sum0_all
FROM gathered)
WINDOW w AS (PARTITION BY entity ORDER BY _t, _kind, _topic, _partition, _offset RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
WHERE _first;

-- rows
SELECT entity, fromUnixTimestamp64Milli(_t, 'UTC') AS event_timestamp,
  fromUnixTimestamp64Milli(_last_ts, 'UTC') AS last_event_time,
  seq, if(_kind = 1, _topic, NULL) AS topic,
  if(_kind = 1, _partition, NULL) AS partition,
  if(_kind = 1, _offset, NULL) AS offset,
  `count`, `seats_sum`, `delay_max`, `hour_last`, `gate_last`
FROM (WITH x -> if(x < 0, -1., 1.) * (((toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 192))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 128)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 64)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 0)))) AS as_double SELECT *, CAST(toInt64(_count_all), 'Nullable(Int64)') AS `count`,
  CAST(toInt64(_sum0_all), 'Nullable(Int64)') AS `seats_sum`,
  CAST(_max1_all, 'Nullable(Float64)') AS `delay_max`,
  CAST(if(_last2_all_any, _last2_all.1, NULL), 'Nullable(Int64)') AS `hour_last`,
  CAST(if(_last3_all_any, _last3_all.1, NULL), 'Nullable(Int64)') AS `gate_last`
FROM (SELECT *, argMaxIf(tuple(_a2, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a2)) OVER w AS _last2_all,
  countIf(_kind = 1 AND isNotNull(_a2)) OVER w > 0 AS _last2_all_any,
  argMaxIf(tuple(_a3, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a3)) OVER w AS _last3_all,
  countIf(_kind = 1 AND isNotNull(_a3)) OVER w > 0 AS _last3_all_any
FROM staged
WINDOW w AS (PARTITION BY entity ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
WHERE _t >= 1356998400000 AND _t < 1359676800000)
SETTINGS join_use_nulls = 1;
