-- gathered
SELECT cityHash64(entity) % 16 AS _slice,
  *
FROM (SELECT assumeNotNull(_entity) AS entity,
  _ts, _t, _topic, _partition, _offset, _a0, _a1, _a2, _a3, _a4
FROM (SELECT concat(replaceAll(replaceAll(`carrier`, '\\', '\\\\'), '|', '\\|'), '|', replaceAll(replaceAll(toString(`gate`), '\\', '\\\\'), '|', '\\|'), '|', replaceAll(replaceAll(toString(`diverted`), '\\', '\\\\'), '|', '\\|')) AS _entity,
  least(toUnixTimestamp64Milli(assumeNotNull(`landed_at`)), _t) AS _ts,
  _t, _topic, _partition, _offset, (`delay` + 0.) AS _a0,
  `seats` AS _a1,
  ((`delay` > toFloat64(15.0)) AND (`seats` > toInt64(2))) AS _a2,
  `carrier` AS _a3,
  (((`delay` > toFloat64(15.0)) AND (`seats` > toInt64(2))) AND (`delay` > toFloat64(120.0))) AS _a4
FROM (SELECT *
FROM (SELECT *, lagInFrame(toNullable(_t)) OVER (PARTITION BY `id` ORDER BY _t, _topic, _partition, _offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS _before
FROM (SELECT `id`, `landed_at`, `carrier`, `gate`, `delay`, `seats`, `diverted`, `due`, toUnixTimestamp64Milli(log_time) AS _t,
  log_topic AS _topic,
  log_partition AS _partition,
  log_offset AS _offset
FROM landed FINAL
WHERE log_time >= fromUnixTimestamp64Milli(toInt64(1356994800000), 'UTC') AND log_time < fromUnixTimestamp64Milli(toInt64(1359676800000), 'UTC')))
WHERE _t >= 1356998400000 AND (isNull(_before) OR _t - _before >= 3600000))
WHERE (((NOT `diverted`) OR (`delay` > toFloat64(0.5)))) = 1)
WHERE isNotNull(_entity) AND (isNull(_a0) OR abs(_a0) <= 1000000000000) AND (isNull(_a1) OR abs(_a1) <= 1000000000000));

-- staged
SELECT * EXCEPT (_first)
FROM (SELECT entity, _t, dense_rank() OVER w AS seq,
  _kind, _topic, _partition, _offset, _ts, max(_ts) OVER w AS _last_ts,
  _a0, _a1, _a2, _a3, sum(_d_sum0_0) OVER w AS _sum0_0,
  sum(_d_count0_0) OVER w AS _count0_0,
  sum(_d_sum1_0) OVER w AS _sum1_0,
  sum(_d_count1_0) OVER w AS _count1_0,
  sum(_d_sum2_0) OVER w AS _sum2_0,
  sum(_d_count2_0) OVER w AS _count2_0,
  sum(_d_count_0) OVER w AS _count_0,
  sum(_d_sum0_1) OVER w AS _sum0_1,
  sum(_d_count0_1) OVER w AS _count0_1,
  sum(_d_count_1) OVER w AS _count_1,
  sum(_d_sum4_2) OVER w AS _sum4_2,
  sum(_d_count4_2) OVER w AS _count4_2,
  min(_a1) OVER w AS _min1_all,
  max(_d_min0_0) OVER w AS _min0_0,
  max(_d_max0_0) OVER w AS _max0_0,
  max(_d_min1_0) OVER w AS _min1_0,
  max(_d_max1_0) OVER w AS _max1_0,
  row_number() OVER w = rank() OVER w AS _first
FROM (SELECT entity, _t, 1 AS _kind,
  _topic, _partition, _offset, _ts, _a0, _a1, _a2, _a3, _a4, if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(ifNull(roundBankers(_a0 * 1e6), 0)), toInt128(0)) AS _d_sum0_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(isNotNull(_a0)), toInt128(0)) AS _d_count0_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(ifNull(_a1, 0)), toInt128(0)) AS _d_sum1_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(isNotNull(_a1)), toInt128(0)) AS _d_count1_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(ifNull(_a2, 0)), toInt128(0)) AS _d_sum2_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(isNotNull(_a2)), toInt128(0)) AS _d_count2_0,
  if((_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, toInt128(1), toInt128(0)) AS _d_count_0,
  if((_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, toInt128(ifNull(roundBankers(_a0 * 1e6), 0)), toInt128(0)) AS _d_sum0_1,
  if((_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, toInt128(isNotNull(_a0)), toInt128(0)) AS _d_count0_1,
  if((_ts - positiveModulo(_ts, 300000)) + 21900000 > _t, toInt128(1), toInt128(0)) AS _d_count_1,
  if((_ts - positiveModulo(_ts, 3600000)) + 90000000 > _t, toInt128(ifNull(_a4, 0)), toInt128(0)) AS _d_sum4_2,
  if((_ts - positiveModulo(_ts, 3600000)) + 90000000 > _t, toInt128(isNotNull(_a4)), toInt128(0)) AS _d_count4_2,
  toInt128('-21267647932558653966460912964485513216') AS _d_min0_0,
  toInt128('-21267647932558653966460912964485513216') AS _d_max0_0,
  toInt128('-21267647932558653966460912964485513216') AS _d_min1_0,
  toInt128('-21267647932558653966460912964485513216') AS _d_max1_0
FROM gathered
UNION ALL SELECT *
FROM (SELECT entity, _leave AS _t,
  0, '', -1, -1, _leave - 5400000, CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Bool)'), _d_sum0_0, _d_count0_0, _d_sum1_0, _d_count1_0, _d_sum2_0, _d_count2_0, _d_count_0, toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_min0_0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_min0_0, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_max0_0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_max0_0, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_min1_0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_min1_0, _late) OVER f))), (toInt128(_leave) * toInt128('18446744073709551616') + greatest(max(if(_late, 0, _m_max1_0)) OVER f, arrayMax((a, m) -> if(a <= _leave, m, 0), groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m_max1_0, _late) OVER f)))
FROM (SELECT entity, (_ts - positiveModulo(_ts, 1800000)) + 5400000 AS _leave,
  (_t - positiveModulo(_t, 1800000)) + 1800000 AS _arrived,
  -sum(toInt128(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_sum0_0,
  -sum(toInt128(isNotNull(_a0))) AS _d_count0_0,
  -sum(toInt128(ifNull(_a1, 0))) AS _d_sum1_0,
  -sum(toInt128(isNotNull(_a1))) AS _d_count1_0,
  -sum(toInt128(ifNull(_a2, 0))) AS _d_sum2_0,
  -sum(toInt128(isNotNull(_a2))) AS _d_count2_0,
  -sum(toInt128(1)) AS _d_count_0,
  max(if(isNull(_a0), 0, bitNot(if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0))))))) AS _m_min0_0,
  max(if(isNull(_a0), 0, if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0)))))) AS _m_max0_0,
  max(if(isNull(_a1), 0, bitNot(bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808))))) AS _m_min1_0,
  max(if(isNull(_a1), 0, bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808)))) AS _m_max1_0,
  _leave < _arrived + 3600000 AS _late
FROM gathered
WHERE _leave > _t GROUP BY entity, _leave, _arrived)
WINDOW f AS (PARTITION BY entity ORDER BY intDiv(_leave, 1800000) RANGE BETWEEN 1 FOLLOWING AND 2 FOLLOWING))
WHERE _t < 1359676800000
UNION ALL SELECT entity, _leave AS _t,
  0, '', -1, -1, _leave - 21900000, CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Bool)'), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), _d_sum0_1, _d_count0_1, _d_count_1, toInt128(0), toInt128(0), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216')
FROM (SELECT entity, (_ts - positiveModulo(_ts, 300000)) + 21900000 AS _leave,
  -sum(toInt128(ifNull(roundBankers(_a0 * 1e6), 0))) AS _d_sum0_1,
  -sum(toInt128(isNotNull(_a0))) AS _d_count0_1,
  -sum(toInt128(1)) AS _d_count_1
FROM gathered
WHERE _leave > _t AND _leave < 1359676800000 GROUP BY entity, _leave)
UNION ALL SELECT entity, _leave AS _t,
  0, '', -1, -1, _leave - 90000000, CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Int64)'), CAST(NULL, 'Nullable(Bool)'), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(Bool)'), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), _d_sum4_2, _d_count4_2, toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216'), toInt128('-21267647932558653966460912964485513216')
FROM (SELECT entity, (_ts - positiveModulo(_ts, 3600000)) + 90000000 AS _leave,
  -sum(toInt128(ifNull(_a4, 0))) AS _d_sum4_2,
  -sum(toInt128(isNotNull(_a4))) AS _d_count4_2
FROM gathered
WHERE _leave > _t AND _leave < 1359676800000 GROUP BY entity, _leave))
WINDOW w AS (PARTITION BY entity ORDER BY _t, _kind, _topic, _partition, _offset RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
WHERE _first;

-- rows
SELECT entity, fromUnixTimestamp64Milli(_t, 'UTC') AS event_timestamp,
  fromUnixTimestamp64Milli(_last_ts, 'UTC') AS last_event_time,
  seq, if(_kind = 1, _topic, NULL) AS topic,
  if(_kind = 1, _partition, NULL) AS partition,
  if(_kind = 1, _offset, NULL) AS offset,
  `delay_sum_1h`, `delay_mean_1h`, `delay_min_1h`, `delay_max_1h`, `delay_last_1h`, `delay_count_1h`, `seats_sum_1h`, `seats_mean_1h`, `seats_min_1h`, `seats_max_1h`, `seats_last_1h`, `late_share_1h`, `late_last_1h`, `late_count_1h`, `carrier_last_1h`, `count_1h`, `delay_mean_6h`, `delay_last_6h`, `count_6h`, `long_late_share_1d`, `seats_min`, `carrier_last`, CAST((toFloat64((`count_1h` * toInt64(6))) / nullIf(toFloat64(CASE WHEN (`count_6h` = toInt64(0)) THEN CAST(NULL, 'Nullable(Int64)') ELSE `count_6h` END), 0)), 'Nullable(Float64)') AS `pace`,
  CAST((((toFloat64((`count_1h` * toInt64(6))) / nullIf(toFloat64(CASE WHEN (`count_6h` = toInt64(0)) THEN CAST(NULL, 'Nullable(Int64)') ELSE `count_6h` END), 0)) > toFloat64(1.5)) AND (NOT (coalesce(`carrier_last_1h`, 'it\'s none') = ''))), 'Nullable(Bool)') AS `busy`,
  CAST(CASE WHEN (CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END <= toFloat64(1000000.0)) THEN CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END WHEN (toFloat64(1000000.0) <= CASE WHEN (`delay_last_6h` <= `delay_mean_6h`) THEN `delay_last_6h` WHEN (`delay_mean_6h` <= `delay_last_6h`) THEN `delay_mean_6h` ELSE CAST(NULL, 'Nullable(Float64)') END) THEN toFloat64(1000000.0) ELSE CAST(NULL, 'Nullable(Float64)') END, 'Nullable(Float64)') AS `near`
FROM (SELECT *, CAST(if(_sum0_0 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum0_0)), toFloat64(_sum0_0)) / 1e6, 'Nullable(Float64)') AS `delay_sum_1h`,
  CAST((if(_sum0_0 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum0_0)), toFloat64(_sum0_0)) / 1e6) / nullIf(toFloat64(toInt64(_count0_0)), 0), 'Nullable(Float64)') AS `delay_mean_1h`,
  CAST(if(toUInt64(_min0_0_now) = 0, NULL, reinterpretAsFloat64(if(bitNot(toUInt64(_min0_0_now)) < toUInt64(9223372036854775808), bitNot(bitNot(toUInt64(_min0_0_now))), bitXor(bitNot(toUInt64(_min0_0_now)), toUInt64(9223372036854775808))))), 'Nullable(Float64)') AS `delay_min_1h`,
  CAST(if(toUInt64(_max0_0_now) = 0, NULL, reinterpretAsFloat64(if(toUInt64(_max0_0_now) < toUInt64(9223372036854775808), bitNot(toUInt64(_max0_0_now)), bitXor(toUInt64(_max0_0_now), toUInt64(9223372036854775808))))), 'Nullable(Float64)') AS `delay_max_1h`,
  CAST(if(_last0_0_any AND (_last0_0.2 - positiveModulo(_last0_0.2, 1800000)) + 5400000 > _t, _last0_0.1, NULL), 'Nullable(Float64)') AS `delay_last_1h`,
  CAST(toInt64(_count0_0), 'Nullable(Int64)') AS `delay_count_1h`,
  CAST(toInt64(_sum1_0), 'Nullable(Int64)') AS `seats_sum_1h`,
  CAST(if(_sum1_0 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum1_0)), toFloat64(_sum1_0)) / nullIf(toFloat64(toInt64(_count1_0)), 0), 'Nullable(Float64)') AS `seats_mean_1h`,
  CAST(if(toUInt64(_min1_0_now) = 0, NULL, reinterpretAsInt64(bitXor(bitNot(toUInt64(_min1_0_now)), toUInt64(9223372036854775808)))), 'Nullable(Int64)') AS `seats_min_1h`,
  CAST(if(toUInt64(_max1_0_now) = 0, NULL, reinterpretAsInt64(bitXor(toUInt64(_max1_0_now), toUInt64(9223372036854775808)))), 'Nullable(Int64)') AS `seats_max_1h`,
  CAST(if(_last1_0_any AND (_last1_0.2 - positiveModulo(_last1_0.2, 1800000)) + 5400000 > _t, _last1_0.1, NULL), 'Nullable(Int64)') AS `seats_last_1h`,
  CAST(if(_sum2_0 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum2_0)), toFloat64(_sum2_0)) / nullIf(toFloat64(toInt64(_count2_0)), 0), 'Nullable(Float64)') AS `late_share_1h`,
  CAST(if(_last2_0_any AND (_last2_0.2 - positiveModulo(_last2_0.2, 1800000)) + 5400000 > _t, _last2_0.1, NULL), 'Nullable(Bool)') AS `late_last_1h`,
  CAST(toInt64(_count2_0), 'Nullable(Int64)') AS `late_count_1h`,
  CAST(if(_last3_0_any AND (_last3_0.2 - positiveModulo(_last3_0.2, 1800000)) + 5400000 > _t, _last3_0.1, NULL), 'Nullable(String)') AS `carrier_last_1h`,
  CAST(toInt64(_count_0), 'Nullable(Int64)') AS `count_1h`,
  CAST((if(_sum0_1 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum0_1)), toFloat64(_sum0_1)) / 1e6) / nullIf(toFloat64(toInt64(_count0_1)), 0), 'Nullable(Float64)') AS `delay_mean_6h`,
  CAST(if(_last0_1_any AND (_last0_1.2 - positiveModulo(_last0_1.2, 300000)) + 21900000 > _t, _last0_1.1, NULL), 'Nullable(Float64)') AS `delay_last_6h`,
  CAST(toInt64(_count_1), 'Nullable(Int64)') AS `count_6h`,
  CAST(if(_sum4_2 BETWEEN -9223372036854775808 AND 9223372036854775807, toFloat64(toInt64(_sum4_2)), toFloat64(_sum4_2)) / nullIf(toFloat64(toInt64(_count4_2)), 0), 'Nullable(Float64)') AS `long_late_share_1d`,
  CAST(_min1_all, 'Nullable(Int64)') AS `seats_min`,
  CAST(if(_last3_all_any, _last3_all.1, NULL), 'Nullable(String)') AS `carrier_last`
FROM (SELECT *, max(if(_kind = 1 AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, greatest(_min0_0, _min0_0 - toUInt64(_min0_0) + if(isNull(_a0), 0, bitNot(if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0))))))), _min0_0)) OVER w AS _min0_0_now,
  max(if(_kind = 1 AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, greatest(_max0_0, _max0_0 - toUInt64(_max0_0) + if(isNull(_a0), 0, if(reinterpretAsUInt64(assumeNotNull(_a0)) < toUInt64(9223372036854775808), bitXor(reinterpretAsUInt64(assumeNotNull(_a0)), toUInt64(9223372036854775808)), bitNot(reinterpretAsUInt64(assumeNotNull(_a0)))))), _max0_0)) OVER w AS _max0_0_now,
  max(if(_kind = 1 AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, greatest(_min1_0, _min1_0 - toUInt64(_min1_0) + if(isNull(_a1), 0, bitNot(bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808))))), _min1_0)) OVER w AS _min1_0_now,
  max(if(_kind = 1 AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t, greatest(_max1_0, _max1_0 - toUInt64(_max1_0) + if(isNull(_a1), 0, bitXor(reinterpretAsUInt64(assumeNotNull(_a1)), toUInt64(9223372036854775808)))), _max1_0)) OVER w AS _max1_0_now,
  argMaxIf(tuple(_a0, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last0_0,
  countIf(_kind = 1 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w > 0 AS _last0_0_any,
  argMaxIf(tuple(_a1, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a1) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last1_0,
  countIf(_kind = 1 AND isNotNull(_a1) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w > 0 AS _last1_0_any,
  argMaxIf(tuple(_a2, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a2) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last2_0,
  countIf(_kind = 1 AND isNotNull(_a2) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w > 0 AS _last2_0_any,
  argMaxIf(tuple(_a3, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a3) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w AS _last3_0,
  countIf(_kind = 1 AND isNotNull(_a3) AND (_ts - positiveModulo(_ts, 1800000)) + 5400000 > _t) OVER w > 0 AS _last3_0_any,
  argMaxIf(tuple(_a0, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t) OVER w AS _last0_1,
  countIf(_kind = 1 AND isNotNull(_a0) AND (_ts - positiveModulo(_ts, 300000)) + 21900000 > _t) OVER w > 0 AS _last0_1_any,
  argMaxIf(tuple(_a3, _ts), (toInt128(_ts) * toInt128('18446744073709551616') + seq), _kind = 1 AND isNotNull(_a3)) OVER w AS _last3_all,
  countIf(_kind = 1 AND isNotNull(_a3)) OVER w > 0 AS _last3_all_any
FROM staged
WINDOW w AS (PARTITION BY entity ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
WHERE _t >= 1356998400000 AND _t < 1359676800000);
