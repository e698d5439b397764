-- gathered
SELECT cityHash64(entity) % 16 AS _slice,
  *
FROM (SELECT assumeNotNull(_entity) AS entity,
  _ts, _t, _topic, _partition, _offset, _a0, _a1, _a2, _a3, _a4, _a5, _a6
FROM (SELECT concat(replaceAll(replaceAll(`carrier`, '\\', '\\\\'), '|', '\\|'), '|', replaceAll(replaceAll(toString(`gate`), '\\', '\\\\'), '|', '\\|'), '|', replaceAll(replaceAll(toString(`diverted`), '\\', '\\\\'), '|', '\\|')) AS _entity,
  _ts, _t, _topic, _partition, _offset, (`delay` + 0.) AS _a0,
  `seats` AS _a1,
  ((`delay` > toFloat64(15.0)) AND (`seats` > toInt64(2))) AS _a2,
  `carrier` AS _a3,
  (CASE WHEN ((`delay` > toFloat64(15.0)) AND (`seats` > toInt64(2))) THEN `delay` ELSE CAST(NULL, 'Nullable(Float64)') END + 0.) AS _a4,
  CASE WHEN (`diverted` AND (`delay` > toFloat64(0.0))) THEN CAST(true, 'Nullable(Bool)') ELSE CAST(CAST(NULL, 'Nullable(Bool)'), 'Nullable(Bool)') END AS _a5,
  (((`delay` > toFloat64(15.0)) AND (`seats` > toInt64(2))) AND (`delay` > toFloat64(120.0))) AS _a6
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
WHERE (((NOT `diverted`) OR (`delay` > toFloat64(0.5)))) = 1)
WHERE isNotNull(_entity) AND (isNull(_a0) OR abs(_a0) <= 1000000000) AND (isNull(_a1) OR abs(_a1) <= 1000000000) AND (isNull(_a4) OR abs(_a4) <= 1000000000000));

-- events
SELECT _entity, toInt64(_row + 1) AS _order,
  entity, _t, _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, _a4, _a5, _a6
FROM (SELECT entity, _t, _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, _a4, _a5, _a6, rowNumberInAllBlocks() AS _row
FROM (SELECT *
FROM gathered ORDER BY entity, _t, _topic, _partition, _offset)) AS g
INNER JOIN (SELECT entity, toUInt32(row_number() OVER (ORDER BY entity)) AS _entity
FROM (SELECT DISTINCT entity
FROM gathered)) AS e USING (entity)
SETTINGS max_threads = 1;

-- moments
SELECT *, toUInt32(0) AS _stretch
FROM (SELECT _entity, _t, _order, toInt16(-1) AS _window,
  _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, _a4, _a5, _a6, toInt128(isNotNull(_a6)) AS _d_count6,
  toInt128(ifNull(_a6, 0)) AS _d_sum6,
  toInt128(1) AS _d_count,
  toInt128(isNotNull(_a0)) AS _d_count0,
  toInt128(ifNull(roundBankers(_a0 * 1e6), 0)) AS _d_sum0,
  toInt128(isNotNull(_a5)) AS _d_count5,
  toInt128(ifNull(roundBankers(_a4 * 1e6), 0)) AS _d_sum4,
  toInt128(isNotNull(_a3)) AS _d_count3,
  toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0)) AS _d_cubes1,
  toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0)) AS _d_squares1,
  toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) AS _d_cubes0,
  toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) AS _d_squares0,
  toInt128(isNotNull(_a2)) AS _d_count2,
  toInt128(ifNull(_a2, 0)) AS _d_sum2,
  toInt128(isNotNull(_a1)) AS _d_count1,
  toInt128(ifNull(_a1, 0)) AS _d_sum1,
  toInt128('-21267647932558653966460912964485513216') AS _m_min0,
  toInt128('-21267647932558653966460912964485513216') AS _m_max0,
  toInt128('-21267647932558653966460912964485513216') AS _m_min1,
  toInt128('-21267647932558653966460912964485513216') AS _m_max1
FROM events
UNION ALL SELECT *
FROM (SELECT _entity, _leave AS _t,
  toInt64(if(_begins, -1, 0)) AS _order,
  0, '', -1, -1, _leave - if(_begins, 1152921504606846976, 5400000), CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(Bool)'), toInt128(0), toInt128(0), _d_count, _d_count0, _d_sum0, _d_count5, _d_sum4, _d_count3, _d_cubes1, _d_squares1, _d_cubes0, _d_squares0, _d_count2, _d_sum2, _d_count1, _d_sum1, (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_min0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_min0, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_max0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_max0, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_min1)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_min1, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_max1)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_max1, _late) OVER f)))
FROM (SELECT _entity, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave,
  (_t - positiveModulo(_t, 1800000)) + 1800000 AS _arrived,
  -sum(toInt128(1)) AS _d_count,
  -sum(toInt128(isNotNull(_a0))) AS _d_count0,
  -sum(toInt128(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_sum0,
  -sum(toInt128(isNotNull(_a5))) AS _d_count5,
  -sum(toInt128(ifNull(roundBankers(_a4 * 1e6), 0))) AS _d_sum4,
  -sum(toInt128(isNotNull(_a3))) AS _d_count3,
  -sum(toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0))) AS _d_cubes1,
  -sum(toInt256(ifNull(_a1, 0)) * toInt256(ifNull(_a1, 0))) AS _d_squares1,
  -sum(toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_cubes0,
  -sum(toInt256(ifNull(roundBankers(_a0 * 1e6), 0)) * toInt256(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_squares0,
  -sum(toInt128(isNotNull(_a2))) AS _d_count2,
  -sum(toInt128(ifNull(_a2, 0))) AS _d_sum2,
  -sum(toInt128(isNotNull(_a1))) AS _d_count1,
  -sum(toInt128(ifNull(_a1, 0))) AS _d_sum1,
  max(if(isNull(_a0), 0, bitNot(if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0))))))) AS _m_min0,
  max(if(isNull(_a0), 0, if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0)))))) AS _m_max0,
  max(if(isNull(_a1), 0, bitNot(bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808))))) AS _m_min1,
  max(if(isNull(_a1), 0, bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808)))) AS _m_max1,
  _leave < _arrived + 3600000 AS _late,
  0 AS _begins
FROM events
WHERE _leave > _t GROUP BY _entity, _leave, _arrived
UNION ALL SELECT DISTINCT _entity, (_t - positiveModulo(_t, 1800000)), 0, toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt256(0), toInt256(0), toInt256(0), toInt256(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), 0, 0, 0, 0, 0, 1
FROM events)
WINDOW f AS (PARTITION BY _entity ORDER BY intDiv(_leave, 1800000) RANGE BETWEEN 1 FOLLOWING AND 2 FOLLOWING))
WHERE _t < 1359676800000
UNION ALL SELECT _entity, _leave AS _t,
  toInt64(0) AS _order,
  1, '', -1, -1, _leave - 21900000, CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(Bool)'), toInt128(0), toInt128(0), _d_count, _d_count0, _d_sum0, toInt128(0), toInt128(0), toInt128(0), toInt256(0), toInt256(0), toInt256(0), toInt256(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216')
FROM (SELECT _entity, (_ts - positiveModulo(_ts, 300000)) + 21900000 AS _leave,
  -sum(toInt128(1)) AS _d_count,
  -sum(toInt128(isNotNull(_a0))) AS _d_count0,
  -sum(toInt128(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_sum0
FROM events
WHERE _leave > _t AND _leave < 1359676800000 GROUP BY _entity, _leave)
UNION ALL SELECT _entity, _leave AS _t,
  toInt64(0) AS _order,
  2, '', -1, -1, _leave - 90000000, CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(Bool)'), _d_count6, _d_sum6, toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt256(0), toInt256(0), toInt256(0), toInt256(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216')
FROM (SELECT _entity, (_ts - positiveModulo(_ts, 3600000)) + 90000000 AS _leave,
  -sum(toInt128(isNotNull(_a6))) AS _d_count6,
  -sum(toInt128(ifNull(_a6, 0))) AS _d_sum6
FROM events
WHERE _leave > _t AND _leave < 1359676800000 GROUP BY _entity, _leave));

-- staged
SELECT * EXCEPT (_entity, _stretch, _order, _first)
FROM (SELECT _stretch, _entity, _t, _order, _order > 0 AS _kind,
  _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, row_number() OVER w = rank() OVER w AS _first,
  dense_rank() OVER w - countIf(_order < 0) OVER w AS seq,
  max(_ts) OVER w AS _last_ts,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_sum0, toInt128(0))) OVER w AS _sum0_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count0, toInt128(0))) OVER w AS _count0_0,
  max(if(_order > 0, if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, (toInt128((_t - positiveModulo(_t, 1800000))) * toInt128('18446744073709551616') + if(isNull(_a0), 0, bitNot(if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0))))))), toInt128('-21267647932558653966460912964485513216')), if(_window = 0, _m_min0, toInt128('-21267647932558653966460912964485513216')))) OVER w AS _min0_0,
  max(if(_order > 0, if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, (toInt128((_t - positiveModulo(_t, 1800000))) * toInt128('18446744073709551616') + if(isNull(_a0), 0, if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0)))))), toInt128('-21267647932558653966460912964485513216')), if(_window = 0, _m_max0, toInt128('-21267647932558653966460912964485513216')))) OVER w AS _max0_0,
  argMaxIf((_a0, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last0_0,
  max(_order > 0 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last0_0_any,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_sum1, toInt128(0))) OVER w AS _sum1_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count1, toInt128(0))) OVER w AS _count1_0,
  max(if(_order > 0, if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, (toInt128((_t - positiveModulo(_t, 1800000))) * toInt128('18446744073709551616') + if(isNull(_a1), 0, bitNot(bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808))))), toInt128('-21267647932558653966460912964485513216')), if(_window = 0, _m_min1, toInt128('-21267647932558653966460912964485513216')))) OVER w AS _min1_0,
  max(if(_order > 0, if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, (toInt128((_t - positiveModulo(_t, 1800000))) * toInt128('18446744073709551616') + if(isNull(_a1), 0, bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808)))), toInt128('-21267647932558653966460912964485513216')), if(_window = 0, _m_max1, toInt128('-21267647932558653966460912964485513216')))) OVER w AS _max1_0,
  argMaxIf((_a1, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a1) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last1_0,
  max(_order > 0 AND isNotNull(_a1) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last1_0_any,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_sum2, toInt128(0))) OVER w AS _sum2_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count2, toInt128(0))) OVER w AS _count2_0,
  argMaxIf((_a2, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a2) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last2_0,
  max(_order > 0 AND isNotNull(_a2) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last2_0_any,
  argMaxIf((_a3, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a3) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last3_0,
  max(_order > 0 AND isNotNull(_a3) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last3_0_any,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count, toInt128(0))) OVER w AS _count_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_squares0, toInt256(0))) OVER w AS _squares0_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_cubes0, toInt256(0))) OVER w AS _cubes0_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_squares1, toInt256(0))) OVER w AS _squares1_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_cubes1, toInt256(0))) OVER w AS _cubes1_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count3, toInt128(0))) OVER w AS _count3_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_sum4, toInt128(0))) OVER w AS _sum4_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, _window = 0), _d_count5, toInt128(0))) OVER w AS _count5_0,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, _window = 1), _d_sum0, toInt128(0))) OVER w AS _sum0_1,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, _window = 1), _d_count0, toInt128(0))) OVER w AS _count0_1,
  argMaxIf((_a0, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t) OVER w AS _last0_1,
  max(_order > 0 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t) OVER w AS _last0_1_any,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, _window = 1), _d_count, toInt128(0))) OVER w AS _count_1,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 3600000)) + 90000000 > _t, _window = 2), _d_sum6, toInt128(0))) OVER w AS _sum6_2,
  sum(if(if(_order > 0, (_ts - positiveModulo(_ts, 3600000)) + 90000000 > _t, _window = 2), _d_count6, toInt128(0))) OVER w AS _count6_2,
  min(_a1) OVER w AS _min1_all,
  argMaxIf((_a3, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + toUInt64(_order)), _order > 0 AND isNotNull(_a3)) OVER w AS _last3_all,
  max(_order > 0 AND isNotNull(_a3)) OVER w AS _last3_all_any
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
  `delay_sum_1h`, `delay_mean_1h`, `delay_min_1h`, `delay_max_1h`, `delay_last_1h`, `delay_count_1h`, `seats_sum_1h`, `seats_mean_1h`, `seats_min_1h`, `seats_max_1h`, `seats_last_1h`, `late_share_1h`, `late_last_1h`, `late_count_1h`, `carrier_last_1h`, `count_1h`, `delay_variance_1h`, `delay_stddev_1h`, `delay_skewness_1h`, `seats_variance_1h`, `seats_stddev_1h`, `seats_skewness_1h`, `delay_first_1h`, `seats_first_1h`, `late_first_1h`, `carrier_first_1h`, `delay_last2_1h`, `late_last3_1h`, `carrier_last2_1h`, `seats_last2_distinct_1h`, `carrier_last2_distinct_1h`, `delay_count_distinct_1h`, `seats_count_distinct_1h`, `late_count_distinct_1h`, `carrier_count_distinct_1h`, `delay_mode_1h`, `seats_mode_1h`, `late_mode_1h`, `carrier_mode_1h`, `delay_mode_share_1h`, `carrier_mode_share_1h`, `delay_q50_1h`, `seats_q90_1h`, `seats_q0_1h`, `late_delay_sum_1h`, `diverted_count_1h`, `delay_mean_6h`, `delay_last_6h`, `count_6h`, `long_late_share_1d`, `seats_min`, `carrier_last`, CAST((toFloat64((`count_1h` * toInt64(6))) / nullIf(toFloat64(CASE WHEN (`count_6h` = toInt64(0)) THEN CAST(NULL, 'Nullable(Int64)') ELSE `count_6h` END), 0)), 'Nullable(Float64)') AS `pace`,
  CAST((((toFloat64((`count_1h` * toInt64(6))) / nullIf(toFloat64(CASE WHEN (`count_6h` = toInt64(0)) THEN CAST(NULL, 'Nullable(Int64)') ELSE `count_6h` END), 0)) > toFloat64(1.5)) AND (NOT (coalesce(`carrier_last_1h`, 'it\'s none') = ''))), 'Nullable(Bool)') AS `busy`,
  CAST(CASE WHEN (CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END <= toFloat64(1000000.0)) THEN CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END WHEN (toFloat64(1000000.0) <= CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END) THEN toFloat64(1000000.0) ELSE CAST(NULL, 'Nullable(Float64)') END, 'Nullable(Float64)') AS `near`
FROM (WITH x -> if(x < 0, -1., 1.) * (((toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 192))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 128)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 64)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 0)))) AS as_double,
  x -> if(x < 0, -1., 1.) * (((toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 192))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 128)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 64)))) * 18446744073709551616. + toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), 0)))) AS sum_as_double SELECT *, CAST(sum_as_double(_sum0_0) / 1e6, 'Nullable(Float64)') AS `delay_sum_1h`,
  CAST((sum_as_double(_sum0_0) / 1e6) / nullIf(toFloat64(toInt64(_count0_0)), 0), 'Nullable(Float64)') AS `delay_mean_1h`,
  CAST(if(toUInt64(_min0_0) = 0, NULL, reinterpretAsFloat64(if(bitNot(toUInt64(_min0_0)) < toUInt64(9223372036854775808), bitNot(bitNot(toUInt64(_min0_0))), bitXor(bitNot(toUInt64(_min0_0)), toUInt64(9223372036854775808))))), 'Nullable(Float64)') AS `delay_min_1h`,
  CAST(if(toUInt64(_max0_0) = 0, NULL, reinterpretAsFloat64(if(toUInt64(_max0_0) < toUInt64(9223372036854775808), bitNot(toUInt64(_max0_0)), bitXor(toUInt64(_max0_0), toUInt64(9223372036854775808))))), 'Nullable(Float64)') AS `delay_max_1h`,
  CAST(if(_last0_0_any AND (_last0_0.2 - positiveModulo(_last0_0.2, 1800000)) + 5400000 > _t, _last0_0.1, NULL), 'Nullable(Float64)') AS `delay_last_1h`,
  CAST(toInt64(_count0_0), 'Nullable(Int64)') AS `delay_count_1h`,
  CAST(toInt64(_sum1_0), 'Nullable(Int64)') AS `seats_sum_1h`,
  CAST(sum_as_double(_sum1_0) / nullIf(toFloat64(toInt64(_count1_0)), 0), 'Nullable(Float64)') AS `seats_mean_1h`,
  CAST(if(toUInt64(_min1_0) = 0, NULL, reinterpretAsInt64(bitXor(bitNot(toUInt64(_min1_0)), toUInt64(9223372036854775808)))), 'Nullable(Int64)') AS `seats_min_1h`,
  CAST(if(toUInt64(_max1_0) = 0, NULL, reinterpretAsInt64(bitXor(toUInt64(_max1_0), toUInt64(9223372036854775808)))), 'Nullable(Int64)') AS `seats_max_1h`,
  CAST(if(_last1_0_any AND (_last1_0.2 - positiveModulo(_last1_0.2, 1800000)) + 5400000 > _t, _last1_0.1, NULL), 'Nullable(Int64)') AS `seats_last_1h`,
  CAST(sum_as_double(_sum2_0) / nullIf(toFloat64(toInt64(_count2_0)), 0), 'Nullable(Float64)') AS `late_share_1h`,
  CAST(if(_last2_0_any AND (_last2_0.2 - positiveModulo(_last2_0.2, 1800000)) + 5400000 > _t, _last2_0.1, NULL), 'Nullable(Bool)') AS `late_last_1h`,
  CAST(toInt64(_count2_0), 'Nullable(Int64)') AS `late_count_1h`,
  CAST(if(_last3_0_any AND (_last3_0.2 - positiveModulo(_last3_0.2, 1800000)) + 5400000 > _t, _last3_0.1, NULL), 'Nullable(String)') AS `carrier_last_1h`,
  CAST(toInt64(_count_0), 'Nullable(Int64)') AS `count_1h`,
  CAST(as_double(toInt256(_count0_0) * toInt256(_squares0_0) - toInt256(_sum0_0) * toInt256(_sum0_0)) / (1e6 * 1e6) / nullIf(toFloat64(toInt64(_count0_0)) * toFloat64(toInt64(_count0_0)), 0), 'Nullable(Float64)') AS `delay_variance_1h`,
  CAST(sqrt(as_double(toInt256(_count0_0) * toInt256(_squares0_0) - toInt256(_sum0_0) * toInt256(_sum0_0)) / (1e6 * 1e6) / nullIf(toFloat64(toInt64(_count0_0)) * toFloat64(toInt64(_count0_0)), 0)), 'Nullable(Float64)') AS `delay_stddev_1h`,
  CAST(as_double(toInt256(_count0_0) * toInt256(_count0_0) * toInt256(_cubes0_0) - 3 * toInt256(_count0_0) * toInt256(_sum0_0) * toInt256(_squares0_0) + 2 * toInt256(_sum0_0) * toInt256(_sum0_0) * toInt256(_sum0_0)) / (nullIf(as_double(toInt256(_count0_0) * toInt256(_squares0_0) - toInt256(_sum0_0) * toInt256(_sum0_0)), 0) * sqrt(nullIf(as_double(toInt256(_count0_0) * toInt256(_squares0_0) - toInt256(_sum0_0) * toInt256(_sum0_0)), 0))), 'Nullable(Float64)') AS `delay_skewness_1h`,
  CAST(as_double(toInt256(_count1_0) * toInt256(_squares1_0) - toInt256(_sum1_0) * toInt256(_sum1_0)) / nullIf(toFloat64(toInt64(_count1_0)) * toFloat64(toInt64(_count1_0)), 0), 'Nullable(Float64)') AS `seats_variance_1h`,
  CAST(sqrt(as_double(toInt256(_count1_0) * toInt256(_squares1_0) - toInt256(_sum1_0) * toInt256(_sum1_0)) / nullIf(toFloat64(toInt64(_count1_0)) * toFloat64(toInt64(_count1_0)), 0)), 'Nullable(Float64)') AS `seats_stddev_1h`,
  CAST(as_double(toInt256(_count1_0) * toInt256(_count1_0) * toInt256(_cubes1_0) - 3 * toInt256(_count1_0) * toInt256(_sum1_0) * toInt256(_squares1_0) + 2 * toInt256(_sum1_0) * toInt256(_sum1_0) * toInt256(_sum1_0)) / (nullIf(as_double(toInt256(_count1_0) * toInt256(_squares1_0) - toInt256(_sum1_0) * toInt256(_sum1_0)), 0) * sqrt(nullIf(as_double(toInt256(_count1_0) * toInt256(_squares1_0) - toInt256(_sum1_0) * toInt256(_sum1_0)), 0))), 'Nullable(Float64)') AS `seats_skewness_1h`,
  CAST(if(notEmpty(_first0_0), _first0_0[1].3, NULL), 'Nullable(Float64)') AS `delay_first_1h`,
  CAST(if(notEmpty(_first1_0), _first1_0[1].3, NULL), 'Nullable(Int64)') AS `seats_first_1h`,
  CAST(if(notEmpty(_first2_0), _first2_0[1].3, NULL), 'Nullable(Bool)') AS `late_first_1h`,
  CAST(if(notEmpty(_first3_0), _first3_0[1].3, NULL), 'Nullable(String)') AS `carrier_first_1h`,
  CAST(if(length(_newest0_0_2) >= 2, _newest0_0_2[2].3, NULL), 'Nullable(Float64)') AS `delay_last2_1h`,
  CAST(if(length(_newest2_0_3) >= 3, _newest2_0_3[3].3, NULL), 'Nullable(Bool)') AS `late_last3_1h`,
  CAST(if(length(_newest3_0_2) >= 2, _newest3_0_2[2].3, NULL), 'Nullable(String)') AS `carrier_last2_1h`,
  CAST(if(length(_newest_distinct1_0_2) >= 2, _newest_distinct1_0_2[2].3, NULL), 'Nullable(Int64)') AS `seats_last2_distinct_1h`,
  CAST(if(length(_newest_distinct3_0_2) >= 2, _newest_distinct3_0_2[2].3, NULL), 'Nullable(String)') AS `carrier_last2_distinct_1h`,
  CAST(if(ifNull(toInt64(_distinct0_0), 0) <= 1000, ifNull(toInt64(_distinct0_0), 0), NULL), 'Nullable(Int64)') AS `delay_count_distinct_1h`,
  CAST(if(ifNull(toInt64(_distinct1_0), 0) <= 2, ifNull(toInt64(_distinct1_0), 0), NULL), 'Nullable(Int64)') AS `seats_count_distinct_1h`,
  CAST(if(ifNull(toInt64(_distinct2_0), 0) <= 1000, ifNull(toInt64(_distinct2_0), 0), NULL), 'Nullable(Int64)') AS `late_count_distinct_1h`,
  CAST(if(ifNull(toInt64(_distinct3_0), 0) <= 1000, ifNull(toInt64(_distinct3_0), 0), NULL), 'Nullable(Int64)') AS `carrier_count_distinct_1h`,
  CAST(if(_distinct0_0 BETWEEN 1 AND 1000, _commonest0_0[1].2, NULL), 'Nullable(Float64)') AS `delay_mode_1h`,
  CAST(if(_distinct1_0 BETWEEN 1 AND 2, _commonest1_0[1].2, NULL), 'Nullable(Int64)') AS `seats_mode_1h`,
  CAST(if(_distinct2_0 BETWEEN 1 AND 1000, _commonest2_0[1].2, NULL), 'Nullable(Bool)') AS `late_mode_1h`,
  CAST(if(_distinct3_0 BETWEEN 1 AND 1000, _commonest3_0[1].2, NULL), 'Nullable(String)') AS `carrier_mode_1h`,
  CAST(if(_distinct0_0 BETWEEN 1 AND 1000, toFloat64(-_commonest0_0[1].1) / toFloat64(toInt64(_count0_0)), NULL), 'Nullable(Float64)') AS `delay_mode_share_1h`,
  CAST(if(_distinct3_0 BETWEEN 1 AND 1000, toFloat64(-_commonest3_0[1].1) / toFloat64(toInt64(_count3_0)), NULL), 'Nullable(Float64)') AS `carrier_mode_share_1h`,
  CAST(if(length(_frequencies0_0_1001) BETWEEN 1 AND 1000, arraySort(_frequencies0_0_1001)[arrayFirstIndex(n -> n >= greatest(1., ceil(toFloat64(0.5) * toFloat64(arraySum(_frequencies0_0_1001.2)))), arrayCumSum(arraySort(_frequencies0_0_1001).2))].1, NULL), 'Nullable(Float64)') AS `delay_q50_1h`,
  CAST(if(length(_frequencies1_0_1001) BETWEEN 1 AND 1000, arraySort(_frequencies1_0_1001)[arrayFirstIndex(n -> n >= greatest(1., ceil(toFloat64(0.9) * toFloat64(arraySum(_frequencies1_0_1001.2)))), arrayCumSum(arraySort(_frequencies1_0_1001).2))].1, NULL), 'Nullable(Int64)') AS `seats_q90_1h`,
  CAST(if(length(_frequencies1_0_4) BETWEEN 1 AND 3, arraySort(_frequencies1_0_4)[arrayFirstIndex(n -> n >= greatest(1., ceil(toFloat64(0.0) * toFloat64(arraySum(_frequencies1_0_4.2)))), arrayCumSum(arraySort(_frequencies1_0_4).2))].1, NULL), 'Nullable(Int64)') AS `seats_q0_1h`,
  CAST(sum_as_double(_sum4_0) / 1e6, 'Nullable(Float64)') AS `late_delay_sum_1h`,
  CAST(toInt64(_count5_0), 'Nullable(Int64)') AS `diverted_count_1h`,
  CAST((sum_as_double(_sum0_1) / 1e6) / nullIf(toFloat64(toInt64(_count0_1)), 0), 'Nullable(Float64)') AS `delay_mean_6h`,
  CAST(if(_last0_1_any AND (_last0_1.2 - positiveModulo(_last0_1.2, 300000)) + 21900000 > _t, _last0_1.1, NULL), 'Nullable(Float64)') AS `delay_last_6h`,
  CAST(toInt64(_count_1), 'Nullable(Int64)') AS `count_6h`,
  CAST(sum_as_double(_sum6_2) / nullIf(toFloat64(toInt64(_count6_2)), 0), 'Nullable(Float64)') AS `long_late_share_1d`,
  CAST(_min1_all, 'Nullable(Int64)') AS `seats_min`,
  CAST(if(_last3_all_any, _last3_all.1, NULL), 'Nullable(String)') AS `carrier_last`
FROM (SELECT s.*, x._first0_0 AS _first0_0,
  x._first1_0 AS _first1_0,
  x._first2_0 AS _first2_0,
  x._first3_0 AS _first3_0,
  x._newest0_0_2 AS _newest0_0_2,
  x._newest2_0_3 AS _newest2_0_3,
  x._newest3_0_2 AS _newest3_0_2,
  x._newest_distinct1_0_2 AS _newest_distinct1_0_2,
  x._newest_distinct3_0_2 AS _newest_distinct3_0_2,
  x._distinct0_0 AS _distinct0_0,
  x._distinct1_0 AS _distinct1_0,
  x._distinct2_0 AS _distinct2_0,
  x._distinct3_0 AS _distinct3_0,
  x._commonest0_0 AS _commonest0_0,
  x._commonest1_0 AS _commonest1_0,
  x._commonest2_0 AS _commonest2_0,
  x._commonest3_0 AS _commonest3_0,
  x._frequencies0_0_1001 AS _frequencies0_0_1001,
  x._frequencies1_0_1001 AS _frequencies1_0_1001,
  x._frequencies1_0_4 AS _frequencies1_0_4
FROM staged AS s
LEFT JOIN (SELECT r.entity AS entity,
  r.seq AS seq,
  groupArraySortedArray(1)(_first0_0) AS _first0_0,
  groupArraySortedArray(1)(_first1_0) AS _first1_0,
  groupArraySortedArray(1)(_first2_0) AS _first2_0,
  groupArraySortedArray(1)(_first3_0) AS _first3_0,
  groupArraySortedArray(2)(_newest0_0_2) AS _newest0_0_2,
  groupArraySortedArray(3)(_newest2_0_3) AS _newest2_0_3,
  groupArraySortedArray(2)(_newest3_0_2) AS _newest3_0_2,
  groupArraySortedArray(2)(_newest_distinct1_0_2) AS _newest_distinct1_0_2,
  groupArraySortedArray(2)(_newest_distinct3_0_2) AS _newest_distinct3_0_2,
  sum(_distinct0_0) AS _distinct0_0,
  sum(_distinct1_0) AS _distinct1_0,
  sum(_distinct2_0) AS _distinct2_0,
  sum(_distinct3_0) AS _distinct3_0,
  groupArraySortedArray(1)(_commonest0_0) AS _commonest0_0,
  groupArraySortedArray(1)(_commonest1_0) AS _commonest1_0,
  groupArraySortedArray(1)(_commonest2_0) AS _commonest2_0,
  groupArraySortedArray(1)(_commonest3_0) AS _commonest3_0,
  groupArrayArray(1001)(_frequencies0_0_1001) AS _frequencies0_0_1001,
  groupArrayArray(1001)(_frequencies1_0_1001) AS _frequencies1_0_1001,
  groupArrayArray(4)(_frequencies1_0_4) AS _frequencies1_0_4
FROM (SELECT entity, seq, arrayJoin(range(0, (SELECT toUInt64(ceil(log2(max(seq) + 1))) + 1
FROM staged))) AS _level,
  bitShiftRight(seq, _level) AS _block
FROM staged
WHERE _t >= 1356998400000 AND _t < 1359676800000) AS r
INNER JOIN (SELECT entity, _cut.1 AS _level,
  _cut.2 AS _block,
  groupArraySortedIf(1)((_ts, _place, assumeNotNull(_a0)), _source = 0 AND isNotNull(_a0)) AS _first0_0,
  groupArraySortedIf(1)((_ts, _place, assumeNotNull(_a1)), _source = 0 AND isNotNull(_a1)) AS _first1_0,
  groupArraySortedIf(1)((_ts, _place, assumeNotNull(_a2)), _source = 0 AND isNotNull(_a2)) AS _first2_0,
  groupArraySortedIf(1)((_ts, _place, assumeNotNull(_a3)), _source = 0 AND isNotNull(_a3)) AS _first3_0,
  groupArraySortedIf(2)((-_ts, -toInt64(_place), assumeNotNull(_a0)), _source = 0 AND isNotNull(_a0)) AS _newest0_0_2,
  groupArraySortedIf(3)((-_ts, -toInt64(_place), assumeNotNull(_a2)), _source = 0 AND isNotNull(_a2)) AS _newest2_0_3,
  groupArraySortedIf(2)((-_ts, -toInt64(_place), assumeNotNull(_a3)), _source = 0 AND isNotNull(_a3)) AS _newest3_0_2,
  groupArraySortedIf(2)((-_ts, -toInt64(_place), assumeNotNull(_a1)), _source = 1 AND isNotNull(_a1)) AS _newest_distinct1_0_2,
  groupArraySortedIf(2)((-_ts, -toInt64(_place), assumeNotNull(_a3)), _source = 2 AND isNotNull(_a3)) AS _newest_distinct3_0_2,
  sumIf(toUInt64(1), _source = 3 AND isNotNull(_a0)) AS _distinct0_0,
  sumIf(toUInt64(1), _source = 1 AND isNotNull(_a1)) AS _distinct1_0,
  sumIf(toUInt64(1), _source = 4 AND isNotNull(_a2)) AS _distinct2_0,
  sumIf(toUInt64(1), _source = 2 AND isNotNull(_a3)) AS _distinct3_0,
  groupArraySortedIf(1)((-_n, assumeNotNull(_a0)), _source = 3 AND isNotNull(_a0)) AS _commonest0_0,
  groupArraySortedIf(1)((-_n, assumeNotNull(_a1)), _source = 1 AND isNotNull(_a1)) AS _commonest1_0,
  groupArraySortedIf(1)((-_n, assumeNotNull(_a2)), _source = 4 AND isNotNull(_a2)) AS _commonest2_0,
  groupArraySortedIf(1)((-_n, assumeNotNull(_a3)), _source = 2 AND isNotNull(_a3)) AS _commonest3_0,
  groupArrayIf(1001)((assumeNotNull(_a0), _n), _source = 3 AND isNotNull(_a0)) AS _frequencies0_0_1001,
  groupArrayIf(1001)((assumeNotNull(_a1), _n), _source = 1 AND isNotNull(_a1)) AS _frequencies1_0_1001,
  groupArrayIf(4)((assumeNotNull(_a1), _n), _source = 1 AND isNotNull(_a1)) AS _frequencies1_0_4
FROM (SELECT *, 0 AS _source
FROM (SELECT entity, seq AS lo,
  coalesce(nullIf(_boundary, 0), _end) AS hi,
  _a0, _a1, _a2, _a3, _ts, seq AS _place,
  toInt64(1) AS _n
FROM (SELECT *, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave
FROM (SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end
FROM staged)
WHERE _kind = 1 AND _leave > _t) AS e
LEFT JOIN (SELECT entity, _t AS _leave,
  seq AS _boundary
FROM staged
WHERE _kind = 0) AS b USING (entity, _leave))
UNION ALL SELECT *, 1 AS _source
FROM (SELECT entity, lo, hi, CAST(NULL, 'Nullable(Float64)') AS _a0,
  _a1, CAST(NULL, 'Nullable(Bool)') AS _a2,
  CAST(NULL, 'Nullable(String)') AS _a3,
  _to.1 AS _ts,
  _to.2 AS _place,
  _n
FROM (SELECT *, _at AS lo,
  leadInFrame(_at) OVER (PARTITION BY entity, _a1 ORDER BY _at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS hi,
  sum(_by) OVER (PARTITION BY entity, _a1 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _n,
  max(_newest) OVER (PARTITION BY entity, _a1 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _to
FROM (SELECT entity, _a1, _change.1 AS _at,
  sum(_change.2) AS _by,
  max((_ts, _place)) AS _newest
FROM (SELECT entity, seq AS lo,
  coalesce(nullIf(_boundary, 0), _end) AS hi,
  _a0, _a1, _a2, _a3, _ts, seq AS _place,
  toInt64(1) AS _n
FROM (SELECT *, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave
FROM (SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end
FROM staged)
WHERE _kind = 1 AND _leave > _t) AS e
LEFT JOIN (SELECT entity, _t AS _leave,
  seq AS _boundary
FROM staged
WHERE _kind = 0) AS b USING (entity, _leave))
ARRAY JOIN [(lo, 1), (hi, -1)] AS _change
WHERE isNotNull(_a1) GROUP BY entity, _a1, _at))
WHERE _n > 0)
UNION ALL SELECT *, 2 AS _source
FROM (SELECT entity, lo, hi, CAST(NULL, 'Nullable(Float64)') AS _a0,
  CAST(NULL, 'Nullable(Int64)') AS _a1,
  CAST(NULL, 'Nullable(Bool)') AS _a2,
  _a3, _to.1 AS _ts,
  _to.2 AS _place,
  _n
FROM (SELECT *, _at AS lo,
  leadInFrame(_at) OVER (PARTITION BY entity, _a3 ORDER BY _at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS hi,
  sum(_by) OVER (PARTITION BY entity, _a3 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _n,
  max(_newest) OVER (PARTITION BY entity, _a3 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _to
FROM (SELECT entity, _a3, _change.1 AS _at,
  sum(_change.2) AS _by,
  max((_ts, _place)) AS _newest
FROM (SELECT entity, seq AS lo,
  coalesce(nullIf(_boundary, 0), _end) AS hi,
  _a0, _a1, _a2, _a3, _ts, seq AS _place,
  toInt64(1) AS _n
FROM (SELECT *, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave
FROM (SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end
FROM staged)
WHERE _kind = 1 AND _leave > _t) AS e
LEFT JOIN (SELECT entity, _t AS _leave,
  seq AS _boundary
FROM staged
WHERE _kind = 0) AS b USING (entity, _leave))
ARRAY JOIN [(lo, 1), (hi, -1)] AS _change
WHERE isNotNull(_a3) GROUP BY entity, _a3, _at))
WHERE _n > 0)
UNION ALL SELECT *, 3 AS _source
FROM (SELECT entity, lo, hi, _a0, CAST(NULL, 'Nullable(Int64)') AS _a1,
  CAST(NULL, 'Nullable(Bool)') AS _a2,
  CAST(NULL, 'Nullable(String)') AS _a3,
  _to.1 AS _ts,
  _to.2 AS _place,
  _n
FROM (SELECT *, _at AS lo,
  leadInFrame(_at) OVER (PARTITION BY entity, _a0 ORDER BY _at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS hi,
  sum(_by) OVER (PARTITION BY entity, _a0 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _n,
  max(_newest) OVER (PARTITION BY entity, _a0 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _to
FROM (SELECT entity, _a0, _change.1 AS _at,
  sum(_change.2) AS _by,
  max((_ts, _place)) AS _newest
FROM (SELECT entity, seq AS lo,
  coalesce(nullIf(_boundary, 0), _end) AS hi,
  _a0, _a1, _a2, _a3, _ts, seq AS _place,
  toInt64(1) AS _n
FROM (SELECT *, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave
FROM (SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end
FROM staged)
WHERE _kind = 1 AND _leave > _t) AS e
LEFT JOIN (SELECT entity, _t AS _leave,
  seq AS _boundary
FROM staged
WHERE _kind = 0) AS b USING (entity, _leave))
ARRAY JOIN [(lo, 1), (hi, -1)] AS _change
WHERE isNotNull(_a0) GROUP BY entity, _a0, _at))
WHERE _n > 0)
UNION ALL SELECT *, 4 AS _source
FROM (SELECT entity, lo, hi, CAST(NULL, 'Nullable(Float64)') AS _a0,
  CAST(NULL, 'Nullable(Int64)') AS _a1,
  _a2, CAST(NULL, 'Nullable(String)') AS _a3,
  _to.1 AS _ts,
  _to.2 AS _place,
  _n
FROM (SELECT *, _at AS lo,
  leadInFrame(_at) OVER (PARTITION BY entity, _a2 ORDER BY _at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS hi,
  sum(_by) OVER (PARTITION BY entity, _a2 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _n,
  max(_newest) OVER (PARTITION BY entity, _a2 ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _to
FROM (SELECT entity, _a2, _change.1 AS _at,
  sum(_change.2) AS _by,
  max((_ts, _place)) AS _newest
FROM (SELECT entity, seq AS lo,
  coalesce(nullIf(_boundary, 0), _end) AS hi,
  _a0, _a1, _a2, _a3, _ts, seq AS _place,
  toInt64(1) AS _n
FROM (SELECT *, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave
FROM (SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end
FROM staged)
WHERE _kind = 1 AND _leave > _t) AS e
LEFT JOIN (SELECT entity, _t AS _leave,
  seq AS _boundary
FROM staged
WHERE _kind = 0) AS b USING (entity, _leave))
ARRAY JOIN [(lo, 1), (hi, -1)] AS _change
WHERE isNotNull(_a2) GROUP BY entity, _a2, _at))
WHERE _n > 0))
ARRAY JOIN arrayFilter(c -> c.3 = 1, arrayFlatten(arrayMap(k -> [(k, bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k), bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k) < bitShiftRight(hi, k) AND bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k) % 2 = 1), (k, bitShiftRight(hi, k) - 1, bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k) < bitShiftRight(hi, k) AND bitShiftRight(hi, k) % 2 = 1)], range(0, toUInt64(ceil(log2(hi - lo + 1))) + 1)))) AS _cut GROUP BY entity, _level, _block) AS b USING (entity, _level, _block) GROUP BY entity, seq) AS x USING (entity, seq))
WHERE _t >= 1356998400000 AND _t < 1359676800000)
SETTINGS join_use_nulls = 1;
