package io.augury.streams;

/**
 * How often each value of an argument is there: in the tiles of one hop and in the windows over them that are
 * asked for it, or in a lifetime.
 *
 * <p>{@code limit} is the highest that is stated, and it bounds the state. Where a tile and those after it hold
 * more different values than that, a window that the tile is inside gives NULL, and so do the tiles before it,
 * which leave no later. So the values of the tile and of those before it are given up for good: windows count
 * those of later tiles only. A lifetime is given up as a whole.
 *
 * @param givenUp where the start of the newest tile is that is given up, {@link #NONE_YET} at first
 * @param inHead where the values of the newest tile are, which lies in the entity's slots
 * @param inTile where they are in the slots of another tile
 * @param inSpans where those of each window are, or -1
 */
record Values(int argument, int limit, int givenUp, int inHead, int inTile, int[] inSpans) {
    static final long NONE_YET = Long.MIN_VALUE;

    Frequencies of(Slots tile, Slots state) {
        return tile.frequencies[at(tile, state)];
    }

    /** Forgets the values of a tile. */
    void clear(Slots tile, Slots state) {
        tile.frequencies[at(tile, state)] = new Frequencies();
    }

    private int at(Slots tile, Slots state) {
        return tile == state ? inHead : inTile;
    }

    /** Gives the index of the widest window that is asked. */
    int widest() {
        int widest = inSpans.length - 1;
        while (inSpans[widest] < 0) {
            widest--;
        }
        return widest;
    }

    /** Counts the event's value in a lifetime. */
    void add(Slots state, Event event) {
        if (event.present[argument] && state.numbers[givenUp] == NONE_YET) {
            Frequencies values = state.frequencies[inSpans[0]];
            values.add(event.encoded(argument));
            if (values.size() > limit) {
                state.frequencies[inSpans[0]] = new Frequencies();
                state.numbers[givenUp] = Layout.NONE;
            }
        }
    }
}
