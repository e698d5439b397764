-- gathered
SELECT cityHash64(entity) % 16 AS _slice,
  *
FROM (SELECT assumeNotNull(_entity) AS entity,
  _ts, _t, _topic, _partition, _offset, _a0
FROM (SELECT replaceAll(replaceAll(`carrier`, '\\', '\\\\'), '|', '\\|') AS _entity,
  _ts, _t, _topic, _partition, _offset, (`delay` + 0.) AS _a0
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
WHERE 1)
WHERE isNotNull(_entity) AND (isNull(_a0) OR abs(_a0) <= 1000000000000));

-- events
SELECT _entity, toInt64(_row + 1) AS _order,
  entity, _t, _topic, _partition, _offset, _ts, _a0
FROM (SELECT entity, _t, _topic, _partition, _offset, _ts, _a0, rowNumberInAllBlocks() AS _row
FROM (SELECT *
FROM gathered ORDER BY entity, _t, _topic, _partition, _offset)) AS g
INNER JOIN (SELECT entity, toUInt32(row_number() OVER (ORDER BY entity)) AS _entity
FROM (SELECT DISTINCT entity
FROM gathered)) AS e USING (entity)
SETTINGS max_threads = 1;

-- moments
SELECT *, toUInt32(0) AS _stretch
FROM (SELECT _entity, _t, _order, toInt16(-1) AS _window,
  _topic, _partition, _offset, _ts, _a0, toInt128(isNotNull(_a0)) AS _d_count0,
  toInt128(ifNull(roundBankers(_a0 * 1e6), 0)) AS _d_sum0,
  toInt128(1) AS _d_count
FROM events
UNION ALL SELECT _entity, _leave AS _t,
  toInt64(0) AS _order,
  0, '', -1, -1, _leave - 3660000, CAST(NULL, 'Nullable(Float64)'), _d_count0, _d_sum0, _d_count
FROM (SELECT _entity, (_ts - positiveModulo(_ts, 60000)) + 3660000 AS _leave,
  -sum(toInt128(isNotNull(_a0))) AS _d_count0,
  -sum(toInt128(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_sum0,
  -sum(toInt128(1)) AS _d_count
FROM events
WHERE _leave > _t AND _leave < 1359676800000 GROUP BY _entity, _leave));

-- staged
SELECT * EXCEPT (_entity, _stretch, _order, _first)
FROM (SELECT _stretch, _entity, _t, _order, _order > 0 AS _kind,
  _topic, _partition, _offset, _ts, row_number() OVER w = rank() OVER w AS _first,
  dense_rank() OVER w - countIf(_order < 0) OVER w AS seq,
  max(_ts) OVER w AS _last_ts,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 60000)) + 3660000 > _t, _window = 0), _d_count, toInt128(0))) OVER w AS _count_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 60000)) + 3660000 > _t, _window = 0), _d_sum0, toInt128(0))) OVER w AS _sum0_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 60000)) + 3660000 > _t, _window = 0), _d_count0, toInt128(0))) OVER w AS _count0_0
FROM moments
WINDOW w AS (PARTITION BY _entity, _stretch ORDER BY _t, _order RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS r
INNER JOIN (SELECT DISTINCT _entity, entity
FROM events) AS e USING (_entity)
WHERE _first AND _order >= 0;

-- rows
SELECT entity, fromUnixTimestamp64Milli(_t, 'UTC') AS event_timestamp,
  fromUnixTimestamp64Milli(_last_ts, 'UTC') AS last_event_time,
  seq, if(_kind = 1, _topic, NULL) AS topic,
  if(_kind = 1, _partition, NULL) AS partition,
  if(_kind = 1, _offset, NULL) AS offset,
  `count_1h`, `delay_mean_1h`
FROM (WITH x -> if(x < 0, -1., 1.) * (((toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 192))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 128)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 64)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 0)))) AS as_double,
  x -> if(x < 0, -1., 1.) * (((toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 192))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 128)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 64)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 0)))) AS sum_as_double SELECT *, CAST(toInt64(_count_0), 'Nullable(Int64)') AS `count_1h`,
  CAST((sum_as_double(_sum0_0) / 1e6) / nullIf(toFloat64(toInt64(_count0_0)), 0), 'Nullable(Float64)') AS `delay_mean_1h`
FROM staged
WHERE _t >= 1356998400000 AND _t < 1359676800000)
SETTINGS join_use_nulls = 1;
