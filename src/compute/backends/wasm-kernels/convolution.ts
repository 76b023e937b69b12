/**
 * Convolutions in two dimensions as implicit matrix products: the rows of the left factor are the pixels under the
 * filter, read where they lie in an image that has been given its padding. A few images are worked on at a time, so that
 * they stay in the cache between being padded and being used.
 */
import type { Heap } from './heap.ts';
import type { convInfo } from './kernel.ts';
import { COLUMNS, ENTRY_BYTES, PANEL_ROW_BYTES, ROWS } from './loops.ts';
import { discardBehind, multiply, packRows, packTransposed, roomForPanels, rowBytesOf } from './product.ts';
import type { Panels } from './product.ts';

type Info = ReturnType<typeof convInfo>;

/** Pixels that are enough for one call of the loops, and pixels that are too many for the cache. */
const FEW_PIXELS = 256;
const CHUNK = 256;

/** An image within a frame of zeros. */
interface Frame {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly top: number;
  readonly left: number;
  /** Of the image: those that lie in the frame. */
  readonly rows: number;
  readonly columns: number;
  readonly imageRowBytes: number;
  readonly imageBytes: number;
}

const bytesOf = ({ height, width, channels }: Frame): number => 4 * height * width * channels;

/** Images at a time. */
function groupSize(batch: number, pixels: number): number {
  const few = Math.ceil(FEW_PIXELS / pixels);
  // Whole tiles spare the discarding.
  const whole = pixels % ROWS === 0 ? few : Math.ceil(few / ROWS) * ROWS;
  return Math.min(batch, whole);
}

/** Calls `work` with the address of so many framed images. */
function forEachGroup(
  heap: Heap,
  images: number,
  batch: number,
  group: number,
  frame: Frame,
  work: (framed: number, first: number, count: number) => void,
): void {
  const { width, channels, top, left, rows, columns, imageRowBytes, imageBytes } = frame;
  const frameBytes = bytesOf(frame);
  if (frameBytes === imageBytes && 4 * width * channels === imageRowBytes && top === 0 && left === 0) {
    for (let first = 0; first < batch; first += group) {
      work(images + first * imageBytes, first, Math.min(group, batch - first));
    }
    return;
  }
  const framed = heap.scratch('left', group * frameBytes);
  heap.floats(framed, (group * frameBytes) / 4).fill(0);
  const rowBytes = 4 * width * channels;
  for (let first = 0; first < batch; first += group) {
    const count = Math.min(group, batch - first);
    for (let image = 0; image < count; image++) {
      const to = framed + image * frameBytes + top * rowBytes + 4 * left * channels;
      heap.loops.copyRows(
        images + (first + image) * imageBytes,
        imageRowBytes,
        to,
        rowBytes,
        to + rows * rowBytes,
        4 * columns * channels,
      );
    }
    work(framed, first, count);
  }
}

/** Pixels of the result that take the same taps, in one image. */
interface Phase {
  /** Pairs: where the pixel's own place is in the frame (bytes), and its number in the result. */
  readonly pixels: Int32Array;
  /** Offsets (bytes) in the frame, each of `run` bytes of taps. */
  readonly segments: readonly number[];
  readonly run: number;
  readonly panels: Panels;
}

/**
 * The sum over taps for every pixel of every image; zero for pixels that are in no phase. `pixels` and `channels` of one
 * image of the result.
 */
function convolve(
  heap: Heap,
  images: number,
  batch: number,
  frame: Frame,
  phases: readonly Phase[],
  result: number,
  pixels: number,
  channels: number,
): void {
  const whole = channels % COLUMNS === 0;
  const group = groupSize(batch, Math.max(...phases.map((phase) => phase.pixels.length / 2)));
  const rowBytes = Math.ceil(channels / COLUMNS) * PANEL_ROW_BYTES;
  const inScratch = whole ? 0 : heap.scratch('result', group * pixels * rowBytes);
  const dump = heap.scratch('dump', ROWS * rowBytes);
  const segments = heap.scratch('segments', 4 * Math.max(...phases.map((phase) => phase.segments.length)));
  const most = Math.max(...phases.map((phase) => phase.pixels.length / 2));
  const tableRows = group * most + ROWS;
  const table = heap.scratch('table', phases.length * tableRows * ENTRY_BYTES);
  const frameBytes = bytesOf(frame);
  const [first] = phases;
  const starts = phases.map((_, index) => table + index * tableRows * ENTRY_BYTES);

  const covered = phases.reduce((sum, phase) => sum + phase.pixels.length / 2, 0);

  const fill = (): void => {
    if (covered < pixels) {
      if (whole) heap.floats(result, batch * pixels * channels).fill(0);
      else heap.floats(inScratch, (group * pixels * rowBytes) / 4).fill(0);
    }
    for (const [index, phase] of phases.entries()) {
      const entries = heap.ints(starts[index]!, 2 * tableRows);
      let at = 0;
      for (let image = 0; image < group; image++) {
        for (let k = 0; k < phase.pixels.length; k += 2) {
          entries[at++] = image * frameBytes + phase.pixels[k]!;
          entries[at++] = (image * pixels + phase.pixels[k + 1]!) * rowBytes;
        }
      }
    }
  };
  let filled = false;
  forEachGroup(heap, images, batch, group, frame, (framed, firstImage, count) => {
    // Not before the frame is there: that is an allocation.
    if (!filled) fill();
    filled = true;
    const to = result + 4 * firstImage * pixels * channels;
    const into = whole ? to : inScratch;
    for (const [index, phase] of phases.entries()) {
      const start = starts[index]!;
      const taps = heap.ints(segments, phase.segments.length);
      if (phase === first || phases.length > 1) taps.set(phase.segments);
      const rows = (count * phase.pixels.length) / 2;
      const entries = heap.ints(start, 2 * tableRows);
      const complete = rows % ROWS === 0;
      const behind = complete ? undefined : entries.slice(2 * rows, 2 * (rows + ROWS));
      const end = discardBehind(entries, rows, dump - into);
      for (let row = 0; row < end; row += CHUNK) {
        heap.loops.multiplyRows(
          framed,
          into,
          start + row * ENTRY_BYTES,
          start + Math.min(row + CHUNK, end) * ENTRY_BYTES,
          segments,
          segments + 4 * phase.segments.length,
          phase.run,
          phase.panels.address,
          phase.panels.panelBytes,
          phase.panels.end,
          0,
        );
      }
      if (behind !== undefined) entries.set(behind, 2 * rows);
    }
    if (!whole) {
      const end = to + 4 * count * pixels * channels;
      heap.loops.copyRows(inScratch, rowBytes, to, 4 * channels, end, 4 * channels);
    }
  });
}

/** A filter of one pixel that meets every pixel of the input: a product of matrices as it lies. */
function isProduct(info: Info): boolean {
  return (
    info.filterHeight === 1 &&
    info.filterWidth === 1 &&
    info.strideHeight === 1 &&
    info.strideWidth === 1 &&
    info.inHeight === info.outHeight &&
    info.inWidth === info.outWidth
  );
}

/** The input's images, with the padding of the forward pass and only as far as it reads them. */
function inputFrame(info: Info): Frame {
  const { inHeight, inWidth, inChannels, padInfo } = info;
  const height = (info.outHeight - 1) * info.strideHeight + (info.filterHeight - 1) * info.dilationHeight + 1;
  const width = (info.outWidth - 1) * info.strideWidth + (info.filterWidth - 1) * info.dilationWidth + 1;
  // Without padding an image is used where it lies, whatever it has beyond what is read.
  const inPlace = padInfo.top === 0 && padInfo.left === 0 && height <= inHeight && width <= inWidth;
  return {
    height: inPlace ? inHeight : height,
    width: inPlace ? inWidth : width,
    channels: inChannels,
    top: padInfo.top,
    left: padInfo.left,
    rows: Math.min(inHeight, height - padInfo.top),
    columns: Math.min(inWidth, width - padInfo.left),
    imageRowBytes: 4 * inWidth * inChannels,
    imageBytes: 4 * inHeight * inWidth * inChannels,
  };
}

/** Places of the output's pixels in the input's frame, and the taps of the filter in stretches of neighbours. */
function inputTaps(info: Info, frame: Frame) {
  const pixelBytes = 4 * frame.channels;
  const rowBytes = frame.width * pixelBytes;
  const pixels = new Int32Array(2 * info.outHeight * info.outWidth);
  for (let row = 0, pixel = 0; row < info.outHeight; row++) {
    for (let column = 0; column < info.outWidth; column++, pixel++) {
      pixels[2 * pixel] = row * info.strideHeight * rowBytes + column * info.strideWidth * pixelBytes;
      pixels[2 * pixel + 1] = pixel;
    }
  }
  const neighbours = info.dilationWidth === 1 ? info.filterWidth : 1;
  const segments: number[] = [];
  for (let row = 0; row < info.filterHeight; row++) {
    for (let column = 0; column < info.filterWidth; column += neighbours) {
      segments.push(row * info.dilationHeight * rowBytes + column * info.dilationWidth * pixelBytes);
    }
  }
  return { pixels, segments, run: neighbours * pixelBytes };
}

/** Addresses of x and filter, and of y, which is written. */
export function forward(heap: Heap, info: Info, x: number, filter: number, y: number): void {
  const { batchSize, outHeight, outWidth, inChannels, outChannels } = info;
  if (isProduct(info)) {
    multiply(
      heap,
      {
        a: x,
        transposeA: false,
        b: filter,
        transposeB: false,
        rows: batchSize * outHeight * outWidth,
        columns: outChannels,
        depth: inChannels,
      },
      y,
    );
    return;
  }
  const frame = inputFrame(info);
  const depth = info.filterHeight * info.filterWidth * inChannels;
  const panels = roomForPanels(heap, outChannels, depth);
  packRows(heap, panels, 0, depth, filter, outChannels);
  const phase = { ...inputTaps(info, frame), panels };
  convolve(heap, x, batchSize, frame, [phase], y, outHeight * outWidth, outChannels);
}

/**
 * dx from dy. Input pixel h meets the taps a with h + top - a divisible by the stride: a = r + stride i for the phase
 * r = (h + top) mod stride, and then output pixel u - i with u = (h + top - r) / stride. Pixels of one phase take the
 * same taps, and together they are a convolution of dy with stride 1.
 */
export function backpropInput(heap: Heap, info: Info, dy: number, filter: number, dx: number): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  if (isProduct(info)) {
    multiply(
      heap,
      {
        a: dy,
        transposeA: false,
        b: filter,
        transposeB: true,
        rows: batchSize * inHeight * inWidth,
        columns: inChannels,
        depth: outChannels,
      },
      dx,
    );
    return;
  }
  const vertical = phasesOf(inHeight, info.filterHeight, info.strideHeight, info.padInfo.top);
  const horizontal = phasesOf(inWidth, info.filterWidth, info.strideWidth, info.padInfo.left);
  const [above, before] = [mostTaps(vertical) - 1, mostTaps(horizontal) - 1];
  const lastOf = (axis: readonly AxisPhase[]): number =>
    Math.max(...axis.flatMap(({ places }) => places.map(({ from }) => from)));
  const frame: Frame = {
    height: above + Math.max(outHeight, lastOf(vertical) + 1),
    width: before + Math.max(outWidth, lastOf(horizontal) + 1),
    channels: outChannels,
    top: above,
    left: before,
    rows: outHeight,
    columns: outWidth,
    imageRowBytes: 4 * outWidth * outChannels,
    imageBytes: 4 * outHeight * outWidth * outChannels,
  };
  const pixelBytes = 4 * outChannels;
  const rowBytes = frame.width * pixelBytes;
  const phases: Phase[] = [];
  // One room for the panels of all phases: together they have every tap once.
  const depth = info.filterHeight * info.filterWidth * outChannels;
  const all = roomForPanels(heap, inChannels, depth);
  let packed = 0;
  for (const rows of vertical) {
    for (const columns of horizontal) {
      const taps = rows.taps.length * columns.taps.length;
      if (taps === 0 || rows.places.length * columns.places.length === 0) continue;
      const panels: Panels = {
        ...all,
        address: all.address + packed * outChannels * PANEL_ROW_BYTES,
        end: all.end,
      };
      // The last tap meets the first pixel: in this order neighbouring taps meet neighbouring pixels.
      let row = 0;
      for (const a of rows.taps.toReversed()) {
        for (const b of columns.taps.toReversed()) {
          const tap = filter + 4 * (a * info.filterWidth + b) * inChannels * outChannels;
          packTransposed(heap, panels, row, row + outChannels, tap, pixelBytes, inChannels);
          row += outChannels;
        }
      }
      packed += taps;
      const pixels = rows.places.flatMap(({ to, from }) =>
        columns.places.flatMap((place) => [
          (from + above - rows.taps.length + 1) * rowBytes +
            (place.from + before - columns.taps.length + 1) * pixelBytes,
          to * inWidth + place.to,
        ]),
      );
      phases.push({
        pixels: Int32Array.from(pixels),
        segments: rows.taps.map((_, i) => i * rowBytes),
        run: columns.taps.length * pixelBytes,
        panels,
      });
    }
  }
  if (phases.length > 0) {
    convolve(heap, dy, batchSize, frame, phases, dx, inHeight * inWidth, inChannels);
  }
}

interface AxisPhase {
  /** Ascending. */
  readonly taps: readonly number[];
  /** Input pixel `to` takes its first tap from output pixel `from`. */
  readonly places: readonly { readonly to: number; readonly from: number }[];
}

function phasesOf(length: number, filter: number, stride: number, padding: number): AxisPhase[] {
  return Array.from({ length: stride }, (_, r) => {
    const taps: number[] = [];
    for (let tap = r; tap < filter; tap += stride) taps.push(tap);
    const places: { to: number; from: number }[] = [];
    for (let to = 0; to < length; to++) {
      if ((to + padding) % stride === r) places.push({ to, from: (to + padding - r) / stride });
    }
    return { taps, places };
  });
}

function mostTaps(phases: readonly AxisPhase[]): number {
  return Math.max(...phases.map(({ taps }) => taps.length));
}

/** dfilter from x and dy: the transpose of the pixels under the filter, times dy. */
export function backpropFilter(heap: Heap, info: Info, x: number, dy: number, dfilter: number): void {
  const { batchSize, outHeight, outWidth, inChannels, outChannels } = info;
  const pixels = outHeight * outWidth;
  if (isProduct(info)) {
    multiply(
      heap,
      {
        a: x,
        transposeA: true,
        b: dy,
        transposeB: false,
        rows: inChannels,
        columns: outChannels,
        depth: batchSize * pixels,
      },
      dfilter,
    );
    return;
  }
  const frame = inputFrame(info);
  const taps = inputTaps(info, frame);
  const group = groupSize(batchSize, pixels);
  const panels = roomForPanels(heap, outChannels, CHUNK);
  const rowBytes = rowBytesOf(panels);
  const run = taps.run / 4;
  const paddedRun = Math.ceil(run / ROWS) * ROWS;
  const sumBytes = taps.segments.length * paddedRun * rowBytes;
  const sums = heap.scratch('result', sumBytes);
  const table = heap.scratch('table', group * pixels * ENTRY_BYTES);
  const frameBytes = bytesOf(frame);
  let filled = false;
  const fill = (): void => {
    heap.floats(sums, sumBytes / 4).fill(0);
    const entries = heap.ints(table, 2 * group * pixels);
    for (let image = 0, at = 0; image < group; image++) {
      for (let k = 0; k < taps.pixels.length; k += 2, at += 2) {
        entries[at] = image * frameBytes + taps.pixels[k]!;
      }
    }
  };
  forEachGroup(heap, x, batchSize, group, frame, (framed, firstImage, count) => {
    if (!filled) fill();
    filled = true;
    for (let row = 0; row < count * pixels; row += CHUNK) {
      const rows = Math.min(CHUNK, count * pixels - row);
      packRows(heap, panels, 0, rows, dy + 4 * (firstImage * pixels + row) * outChannels, outChannels);
      for (const [index, segment] of taps.segments.entries()) {
        heap.loops.multiplyColumns(
          framed + segment,
          table + row * ENTRY_BYTES,
          table + (row + rows) * ENTRY_BYTES,
          4 * paddedRun,
          panels.address,
          panels.panelBytes,
          panels.end,
          sums + index * paddedRun * rowBytes,
          rowBytes,
        );
      }
    }
  });
  for (const index of taps.segments.keys()) {
    const to = dfilter + 4 * index * run * outChannels;
    const from = sums + index * paddedRun * rowBytes;
    heap.loops.copyRows(from, rowBytes, to, 4 * outChannels, to + 4 * run * outChannels, 4 * outChannels);
  }
}
