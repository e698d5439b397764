package io.augury.streams;

import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.EncodingFormat;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.SerializationFormatFactory;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * The format {@code augury-avro}: Confluent's wire format, where each record gives one row, and each row one record.
 *
 * <p>A record that cannot be read (a clock tick, no Avro, an unknown schema id) gives a row of NULLs, so
 * that it moves the log's clock. A registry that does not answer fails the job, which tries again.
 */
public final class AvroFormatFactory implements DeserializationFormatFactory, SerializationFormatFactory {
    private static final ConfigOption<String> URL = ConfigOptions.key("url")
            .stringType()
            .noDefaultValue()
            .withDescription("The registry's base address, as a Confluent client takes it.");

    private static final ConfigOption<String> SUBJECT = ConfigOptions.key("subject")
            .stringType()
            .noDefaultValue()
            .withDescription("For writing: the subject under which the schema is registered.");

    private static final ConfigOption<String> SCHEMA = ConfigOptions.key("schema")
            .stringType()
            .noDefaultValue()
            .withDescription("For writing: the Avro schema, whose fields are the table's columns.");

    private static final ConfigOption<Map<String, String>> PROPERTIES = ConfigOptions.key("properties")
            .mapType()
            .defaultValue(Map.of())
            .withDescription("What else the registry's client is given, such as credentials.");

    @Override
    public String factoryIdentifier() {
        return "augury-avro";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(URL);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(PROPERTIES, SUBJECT, SCHEMA);
    }

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        FactoryUtil.validateFactoryOptions(this, options);
        return new Reading(options.get(URL), options.get(PROPERTIES));
    }

    @Override
    public EncodingFormat<SerializationSchema<RowData>> createEncodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        FactoryUtil.validateFactoryOptions(this, options);
        return new Writing(options.get(URL), options.get(SUBJECT), options.get(SCHEMA), options.get(PROPERTIES));
    }

    private record Writing(String url, String subject, String schema, Map<String, String> properties)
            implements EncodingFormat<SerializationSchema<RowData>> {

        @Override
        public SerializationSchema<RowData> createRuntimeEncoder(DynamicTableSink.Context context, DataType consumed) {
            return new AvroRecords((RowType) consumed.getLogicalType(), url, subject, schema, properties);
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }
    }

    private record Reading(String url, Map<String, String> properties)
            implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {

        @Override
        public DeserializationSchema<RowData> createRuntimeDecoder(
                DynamicTableSource.Context context, DataType physical, int[][] projections) {
            DataType produced = Projection.of(projections).project(physical);
            return new AvroRows(
                    (RowType) produced.getLogicalType(), context.createTypeInformation(produced), url, properties);
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }
    }
}
