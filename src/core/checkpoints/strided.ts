/**
 * Tensors whose elements do not lie one after another: transposed or expanded views, slices with a step. Element
 * (i, j, ...) lies at `i * strides[0] + j * strides[1] + ...` elements from the first one.
 *
 * What is read or written at a time is a window of the file of at most {@link WINDOW_BYTES}, so memory stays bounded
 * however far apart a chunk's elements lie.
 */

const WINDOW_BYTES = 4 << 20;

/** Whether the elements lie row-major without gaps. Dimensions of one element may have any stride. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] === 0) return true;
    if (shape[d] !== 1 && strides[d] !== expected) return false;
    expected *= shape[d]!;
  }
  return true;
}

export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const dimension of shape.toReversed()) {
    strides.unshift(stride);
    stride *= dimension;
  }
  return strides;
}

/** Elements from the first to just after the farthest one; 0 for a tensor without elements. */
export function extentOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((sum, dimension, d) => sum + (dimension - 1) * strides[d]!, 1);
}

/** Elements `[start, start + count)` in row-major order; their places in elements from the first one. */
export function placesOf(
  shape: readonly number[],
  strides: readonly number[],
  start: number,
  count: number,
): Float64Array {
  const places = new Float64Array(count);
  const last = shape.length - 1;
  if (last === -1) return places;
  const at = new Array<number>(shape.length).fill(0);
  let index = start;
  for (let d = last; d >= 0; d--) {
    at[d] = index % shape[d]!;
    index = Math.floor(index / shape[d]!);
  }
  let place = at.reduce((sum, i, d) => sum + i * strides[d]!, 0);
  for (let i = 0; i < count; i++) {
    places[i] = place;
    let d = last;
    place += strides[d]!;
    // Carries into the next dimension to the left.
    while (++at[d]! === shape[d]! && d > 0) {
      place -= shape[d]! * strides[d]!;
      at[d] = 0;
      d--;
      place += strides[d]!;
    }
  }
  return places;
}

/** One window: `bytes` are those from byte `from` on, counted from the tensor's first element. */
type Window = (bytes: Uint8Array, from: number) => Promise<void>;

/**
 * Calls `use` for windows that cover the places, front to back, with the first and last byte that is needed; `copy`
 * moves element i between the window and the chunk.
 */
async function throughWindows(
  places: Float64Array,
  size: number,
  buffer: Uint8Array,
  before: Window,
  move: (window: Uint8Array, at: number, element: number) => void,
  after: Window,
): Promise<void> {
  let lowest = Infinity;
  let highest = -1;
  for (const place of places) {
    if (place < lowest) lowest = place;
    if (place > highest) highest = place;
  }
  const perWindow = Math.floor(buffer.length / size);
  for (let low = lowest; low <= highest; low += perWindow) {
    const high = Math.min(low + perWindow, highest + 1);
    const window = buffer.subarray(0, (high - low) * size);
    await before(window, low * size);
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!;
      if (place >= low && place < high) move(window, (place - low) * size, i * size);
    }
    await after(window, low * size);
  }
}

export function windowBuffer(size: number, extent: number): Uint8Array {
  return new Uint8Array(Math.max(size, Math.min(WINDOW_BYTES, extent * size)));
}

/** Collects scattered elements into `out`. `read` fills a window of the file. */
export function gather(
  places: Float64Array,
  size: number,
  out: Uint8Array,
  buffer: Uint8Array,
  read: Window,
): Promise<void> {
  return throughWindows(
    places,
    size,
    buffer,
    read,
    (window, at, element) => {
      for (let k = 0; k < size; k++) out[element + k] = window[at + k]!;
    },
    () => Promise.resolve(),
  );
}

/** Puts a chunk's elements at their places; what lies between them stays as `read` gives it. */
export function scatter(
  places: Float64Array,
  size: number,
  chunk: Uint8Array,
  buffer: Uint8Array,
  read: Window,
  write: Window,
): Promise<void> {
  return throughWindows(
    places,
    size,
    buffer,
    read,
    (window, at, element) => {
      for (let k = 0; k < size; k++) window[at + k] = chunk[element + k]!;
    },
    write,
  );
}
