package io.augury.streams;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderInfo;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.metrics.groups.SplitEnumeratorMetricGroup;

/**
 * A bounded source that ends in a job which goes on from a checkpoint, too.
 *
 * <p>A Kafka source does not: once restored, its enumerator finds no new partition, and so never tells its
 * readers that no more splits come (FLINK-31006). This one tells them as soon as discovery is through.
 */
final class EndingSource<T, S extends SourceSplit, E> implements Source<T, S, E> {
    private static final long serialVersionUID = 1L;

    private final Source<T, S, E> source;

    EndingSource(Source<T, S, E> source) {
        this.source = source;
    }

    @Override
    public Boundedness getBoundedness() {
        return source.getBoundedness();
    }

    @Override
    public SourceReader<T, S> createReader(SourceReaderContext context) throws Exception {
        return source.createReader(context);
    }

    @Override
    public SplitEnumerator<S, E> createEnumerator(SplitEnumeratorContext<S> context) throws Exception {
        return source.createEnumerator(context);
    }

    @Override
    public SplitEnumerator<S, E> restoreEnumerator(SplitEnumeratorContext<S> context, E checkpoint)
            throws Exception {
        Signals<S> signals = new Signals<>(context);
        return new Restored<>(source.restoreEnumerator(signals, checkpoint), signals);
    }

    @Override
    public SimpleVersionedSerializer<S> getSplitSerializer() {
        return source.getSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<E> getEnumeratorCheckpointSerializer() {
        return source.getEnumeratorCheckpointSerializer();
    }

    private record Restored<S extends SourceSplit, E>(SplitEnumerator<S, E> enumerator, Signals<S> signals)
            implements SplitEnumerator<S, E> {
        @Override
        public void start() {
            enumerator.start();
        }

        @Override
        public void handleSplitRequest(int subtask, String host) {
            enumerator.handleSplitRequest(subtask, host);
        }

        @Override
        public void handleSourceEvent(int subtask, SourceEvent event) {
            enumerator.handleSourceEvent(subtask, event);
        }

        @Override
        public void addSplitsBack(List<S> splits, int subtask) {
            enumerator.addSplitsBack(splits, subtask);
        }

        @Override
        public void addReader(int subtask) {
            signals.told.remove(subtask);
            enumerator.addReader(subtask);
            if (signals.discovered) {
                signals.signalNoMoreSplits(subtask);
            }
        }

        @Override
        public E snapshotState(long checkpoint) throws Exception {
            return enumerator.snapshotState(checkpoint);
        }

        @Override
        public void notifyCheckpointComplete(long checkpoint) throws Exception {
            enumerator.notifyCheckpointComplete(checkpoint);
        }

        @Override
        public void close() throws IOException {
            enumerator.close();
        }
    }

    /** Sees when the enumerator's questions to Kafka are all answered, and tells each reader once of the end. */
    private static final class Signals<S extends SourceSplit> implements SplitEnumeratorContext<S> {
        private final SplitEnumeratorContext<S> context;
        private final Set<Integer> told = new HashSet<>();
        private int asked;
        private boolean discovered;

        Signals(SplitEnumeratorContext<S> context) {
            this.context = context;
        }

        @Override
        public <X> void callAsync(Callable<X> call, BiConsumer<X, Throwable> handler) {
            asked++;
            context.callAsync(call, (found, failure) -> {
                handler.accept(found, failure); // may ask again, and throws where Kafka did not answer
                asked--;
                if (asked == 0) {
                    discovered = true;
                    context.registeredReaders().keySet().forEach(this::signalNoMoreSplits);
                }
            });
        }

        @Override
        public void signalNoMoreSplits(int subtask) {
            if (told.add(subtask)) {
                context.signalNoMoreSplits(subtask);
            }
        }

        @Override
        public <X> void callAsync(Callable<X> call, BiConsumer<X, Throwable> handler, long delay, long period) {
            context.callAsync(call, handler, delay, period);
        }

        @Override
        public SplitEnumeratorMetricGroup metricGroup() {
            return context.metricGroup();
        }

        @Override
        public void sendEventToSourceReader(int subtask, SourceEvent event) {
            context.sendEventToSourceReader(subtask, event);
        }

        @Override
        public int currentParallelism() {
            return context.currentParallelism();
        }

        @Override
        public Map<Integer, ReaderInfo> registeredReaders() {
            return context.registeredReaders();
        }

        @Override
        public void assignSplits(SplitsAssignment<S> assignment) {
            context.assignSplits(assignment);
        }

        @Override
        public void runInCoordinatorThread(Runnable task) {
            context.runInCoordinatorThread(task);
        }
    }
}
