/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.cache.semantic.SharedTier.Item;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class OutboxTest {
    private final LongAdder dropped = new LongAdder();
    private final Outbox outbox = new Outbox(dropped);

    private static Outbox.Parcel put(String id, long epoch, int bytes) {
        return new Outbox.Parcel.Put(new Item(id, new byte[0], new byte[bytes], 0, Long.MAX_VALUE, epoch));
    }

    private static Outbox.Parcel forget(String id, long epoch) {
        return new Outbox.Parcel.Forget(epoch, List.of(id));
    }

    private static List<String> ids(List<Outbox.Parcel> parcels) {
        return parcels.stream()
                .map(parcel -> parcel instanceof Outbox.Parcel.Put put
                        ? put.item().id()
                        : "-" + ((Outbox.Parcel.Forget) parcel).ids().get(0))
                .toList();
    }

    @Test
    void whatWasSaidFirstIsSentFirstAndGoesBackInItsOrder() {
        outbox.add(put("a", 0, 1));
        outbox.add(forget("a", 0));
        outbox.add(put("b", 0, 1));
        List<Outbox.Parcel> taken = outbox.take(2, 0);
        outbox.putBack(taken);

        assertThat(ids(taken)).containsExactly("a", "-a");
        assertThat(ids(outbox.take(9, 0))).containsExactly("a", "-a", "b");
    }

    @Test
    void theOldestEntriesMakeRoomByNumberAndByBytes() {
        IntStream.range(0, Outbox.MAX_WAITING + 3).forEach(i -> outbox.add(put("k" + i, 0, 1)));
        assertThat(dropped.sum()).isEqualTo(3);
        assertThat(ids(outbox.take(1, 0))).containsExactly("k3");

        outbox.add(put("large", 0, (int) Outbox.MAX_WAITING_BYTES));
        assertThat(ids(outbox.take(9, 0))).containsExactly("large");
    }

    @Test
    void anInvalidationIsNotDroppedButBecomesOneOfEverything() {
        outbox.add(forget("a", 0));
        IntStream.range(0, Outbox.MAX_WAITING).forEach(i -> outbox.add(put("k" + i, 0, 1)));

        assertThat(outbox.owedFlush()).hasValue(0);
        assertThat(dropped.sum()).isZero();
        outbox.flushed(0);
        assertThat(outbox.owedFlush()).isEmpty();
    }

    @Test
    void anInvalidationOfEverythingLeavesNothingOfTheEpochsBeforeIt() {
        outbox.add(put("a", 0, 1));
        List<Outbox.Parcel> underWay = outbox.take(1, 0);
        outbox.add(forget("b", 0));
        outbox.flush(1);
        outbox.putBack(underWay);
        outbox.add(put("c", 1, 1));
        outbox.flush(2);
        outbox.flushed(1); // which was told before the second was owed

        assertThat(outbox.owedFlush()).hasValue(2);
        assertThat(outbox.size()).isEqualTo(1);
        assertThat(outbox.take(9, 2)).isEmpty();
    }

    @Test
    void whatIsOfALaterEpochWaitsUntilThatHasBeenTold() {
        outbox.add(put("a", 1, 1));

        assertThat(outbox.take(9, 0)).isEmpty();
        assertThat(ids(outbox.take(9, 1))).containsExactly("a");
    }

    @Test
    void idsAreOrderedAsTheServerOrdersThem() {
        StreamId id = StreamId.parse("1763750000000-18446744073709551615");

        assertThat(id).hasToString("1763750000000-18446744073709551615");
        assertThat(id.isAfter(StreamId.parse("1763750000000-5"))).isTrue();
        assertThat(StreamId.FIRST.isAfter(StreamId.ZERO)).isTrue();
        assertThat(StreamId.parse("1-0").isAfter(id)).isFalse();
    }

    @Test
    void withoutTheLibraryOneIsToldWhichItIs() throws Exception {
        try (URLClassLoader without = new URLClassLoader(new URL[0], null)) {
            assertThatThrownBy(() -> RedisTier.require(without))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("io.lettuce:lettuce-core");
        }
    }
}
