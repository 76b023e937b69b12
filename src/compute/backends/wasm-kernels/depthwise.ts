/**
 * Gradients of a depthwise convolution, which the wasm backend lacks, and what it gets wrong of the forward pass. Which pixels meet under which tap of the filter is
 * the same for every image: it is listed once, and SIMD goes through the lists, channels side by side. With several
 * results for a channel (a depth multiplier, which is rare) they are plain loops.
 */
import type { Heap } from './heap.ts';
import { heapOf } from './heap.ts';
import type { Kernel, Reroute } from './kernel.ts';
import { convInfo, zeros } from './kernel.ts';
import { LIST_BYTES, PAIR_BYTES } from './loops.ts';

type Shape4 = [number, number, number, number];
type Info = ReturnType<typeof convInfo>;

/** An input pixel, a filter tap and an output pixel, as numbers within one image, that meet in the forward pass. */
type Visit = (input: number, tap: number, output: number) => void;

function forEachMeeting(info: Info, visit: Visit): void {
  const { inHeight, inWidth, outHeight, outWidth } = info;
  for (let p = 0; p < outHeight; p++) {
    for (let q = 0; q < outWidth; q++) {
      for (let a = 0; a < info.filterHeight; a++) {
        const row = p * info.strideHeight + a * info.dilationHeight - info.padInfo.top;
        if (row < 0 || row >= inHeight) continue;
        for (let b = 0; b < info.filterWidth; b++) {
          const column = q * info.strideWidth + b * info.dilationWidth - info.padInfo.left;
          if (column < 0 || column >= inWidth) continue;
          visit(row * inWidth + column, a * info.filterWidth + b, p * outWidth + q);
        }
      }
    }
  }
}

/** Calls `visit` with the offsets in x, filter and y of everything that meets in a batch. */
function forEachTap(info: Info, visit: Visit): void {
  const { batchSize, inChannels, outChannels } = info;
  for (let n = 0; n < batchSize; n++) {
    const x = n * info.inHeight * info.inWidth;
    const y = n * info.outHeight * info.outWidth;
    forEachMeeting(info, (input, tap, output) =>
      visit((x + input) * inChannels, tap * outChannels, (y + output) * outChannels),
    );
  }
}

/** What `SumProducts` takes. */
interface Lists {
  readonly address: number;
  readonly end: number;
}

/**
 * The meetings of one image as pairs of offsets, listed by what their products add up to.
 * @param sums How many lists there may be.
 * @param sort Gives `add` the number of the list, and pixels or taps in the left and in the right factor.
 * @param resultOf The pixel or tap that a list adds to.
 */
function makeLists(
  heap: Heap,
  info: Info,
  sums: number,
  sort: (add: Visit) => Visit,
  resultOf: (sum: number) => number,
): Lists {
  const bytes = 4 * info.inChannels;
  const counts = new Int32Array(sums);
  forEachMeeting(
    info,
    sort((sum) => counts[sum]!++),
  );
  const total = counts.reduce((a, b) => a + b, 0);
  const table = heap.scratch('table', PAIR_BYTES * total);
  const address = heap.scratch('segments', LIST_BYTES * sums);
  const pairs = heap.ints(table, 2 * total);
  const lists = heap.ints(address, 3 * sums);
  const next = new Int32Array(sums);
  let [pair, list] = [0, 0];
  for (let sum = 0; sum < sums; sum++) {
    next[sum] = pair;
    if (counts[sum] === 0) continue;
    lists[list++] = table + PAIR_BYTES * pair;
    pair += counts[sum]!;
    lists[list++] = table + PAIR_BYTES * pair;
    lists[list++] = bytes * resultOf(sum);
  }
  forEachMeeting(
    info,
    sort((sum, left, right) => {
      const at = 2 * next[sum]!++;
      pairs[at] = bytes * left;
      pairs[at + 1] = bytes * right;
    }),
  );
  return { address, end: address + 4 * list };
}

/** Goes through the lists for every image. Zero strides leave a factor or the result where it is. */
function forEachImage(
  { loops }: Heap,
  { batchSize, inChannels }: Info,
  { address, end }: Lists,
  [a, b, out]: readonly [number, number, number],
  [aBytes, bBytes, outBytes]: readonly [number, number, number],
  after: () => void = () => undefined,
): void {
  for (let n = 0; n < batchSize; n++) {
    loops.sumProducts(address, end, a + n * aBytes, b + n * bBytes, out + n * outBytes, 4 * inChannels);
    after();
  }
}

const inputBytes = (info: Info): number => 4 * info.inHeight * info.inWidth * info.inChannels;
const outputBytes = (info: Info): number => 4 * info.outHeight * info.outWidth * info.outChannels;
const multiplierOf = (info: Info): number => info.outChannels / info.inChannels;

/** XNNPACK's results are wrong where the stride is larger than the filter. */
export const depthwise: Reroute = (original) => (call) => {
  const { inputs, attrs, backend } = call;
  const [x, filter] = [inputs['x']!, inputs['filter']!];
  if (attrs['dataFormat'] === 'NCHW' || x.dtype !== 'float32' || x.size === 0) return original(call);
  const info = convInfo(x.shape, filter.shape, attrs, true);
  if (info.filterHeight >= info.strideHeight && info.filterWidth >= info.strideWidth) return original(call);
  const { info: output, values: y } = zeros(backend, info.outShape);
  const multiplier = multiplierOf(info);
  if (multiplier === 1) {
    const heap = heapOf(backend);
    const pixels = info.outHeight * info.outWidth;
    const lists = makeLists(
      heap,
      info,
      pixels,
      (add) => (input, tap, at) => add(at, input, tap),
      (at) => at,
    );
    const addresses = [heap.address(x), heap.address(filter), heap.address(output)] as const;
    forEachImage(heap, info, lists, addresses, [inputBytes(info), 0, outputBytes(info)]);
    return output;
  }
  const values = backend.typedArrayFromHeap(x);
  const w = backend.typedArrayFromHeap(filter);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, o = 0; i < info.inChannels; i++) {
      for (let m = 0; m < multiplier; m++, o++) y[yAt + o] = y[yAt + o]! + values[xAt + i]! * w[wAt + o]!;
    }
  });
  return output;
};

export const depthwiseBackpropInput: Kernel = ({ inputs, attrs, backend }) => {
  const [dy, filter] = [inputs['dy']!, inputs['filter']!];
  const info = convInfo(attrs['inputShape'] as Shape4, filter.shape, attrs, true);
  const { info: output, values: dx } = zeros(backend, info.inShape);
  const multiplier = multiplierOf(info);
  if (multiplier === 1) {
    const heap = heapOf(backend);
    const lists = makeLists(
      heap,
      info,
      info.inHeight * info.inWidth,
      (add) => (input, tap, at) => add(input, tap, at),
      (input) => input,
    );
    const addresses = [heap.address(filter), heap.address(dy), heap.address(output)] as const;
    forEachImage(heap, info, lists, addresses, [0, outputBytes(info), inputBytes(info)]);
    return output;
  }
  const w = backend.typedArrayFromHeap(filter);
  const gradient = backend.typedArrayFromHeap(dy);
  forEachTap(info, (xAt, wAt, yAt) => {
    for (let i = 0, o = 0; i < info.inChannels; i++) {
      let sum = dx[xAt + i]!;
      for (let m = 0; m < multiplier; m++, o++) sum += w[wAt + o]! * gradient[yAt + o]!;
      dx[xAt + i] = sum;
    }
  });
  return output;
};

export const depthwiseBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const [x, dy] = [inputs['x']!, inputs['dy']!];
  const info = convInfo(x.shape, attrs['filterShape'] as Shape4, attrs, true);
  const { outHeight, outWidth } = info;
  const taps = info.filterHeight * info.filterWidth;
  const output = backend.makeOutput(info.filterShape, 'float32');
  // A filter tap collects one product per pixel of the whole batch: in double, but for the rows of an image in SIMD.
  const sums = new Float64Array(taps * info.outChannels);
  const multiplier = multiplierOf(info);
  if (multiplier === 1) {
    const heap = heapOf(backend);
    // A list for every tap and row of the output, so that few numbers are added up one by one in float32.
    const lists = makeLists(
      heap,
      info,
      taps * outHeight,
      (add) => (input, tap, at) => add(tap * outHeight + Math.floor(at / outWidth), input, at),
      (sum) => Math.floor(sum / outHeight),
    );
    const ofImage = heap.scratch('result', 4 * sums.length);
    const values = heap.floats(ofImage, sums.length).fill(0);
    const addresses = [heap.address(x), heap.address(dy), ofImage] as const;
    forEachImage(heap, info, lists, addresses, [inputBytes(info), outputBytes(info), 0], () => {
      for (let k = 0; k < sums.length; k++) sums[k] = sums[k]! + values[k]!;
      values.fill(0);
    });
  } else {
    const values = backend.typedArrayFromHeap(x);
    const gradient = backend.typedArrayFromHeap(dy);
    forEachTap(info, (xAt, wAt, yAt) => {
      for (let i = 0, o = 0; i < info.inChannels; i++) {
        const value = values[xAt + i]!;
        for (let m = 0; m < multiplier; m++, o++) sums[wAt + o] = sums[wAt + o]! + value * gradient[yAt + o]!;
      }
    });
  }
  (backend.typedArrayFromHeap(output) as Float32Array).set(sums);
  return output;
};
