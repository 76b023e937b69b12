import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, FrameReader } from '../../../src/compute/pytorch/frames.ts';
import { parseFrame } from '../../../src/compute/pytorch/messages.ts';

const MESSAGE = { kind: 'step', text: 'äöü "quoted"\n' };
const ARRAYS = {
  odd: Int32Array.of(1, -2, 2 ** 31 - 1),
  wide: Float64Array.of(0.1, NaN, Infinity, -0, Number.MIN_VALUE),
  none: new Float64Array(0),
};

test('a frame comes back to the bit, in whatever pieces it arrives', () => {
  const bytes = Buffer.concat([encodeFrame(MESSAGE, ARRAYS), encodeFrame({ kind: 'close' })]);
  for (const size of [1, 7, bytes.length]) {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size) {
      frames.push(...reader.push(bytes.subarray(at, at + size)));
    }
    assert.equal(frames.length, 2);
    assert.deepEqual(frames[0]!.message, MESSAGE);
    assert.deepEqual(Object.fromEntries(frames[0]!.arrays), ARRAYS);
    assert.deepEqual(frames[1]!.message, { kind: 'close' });
  }
});

test('a part of a larger buffer is sent as that part', () => {
  const numbers = Float64Array.of(9, 1, 2, 9).subarray(1, 3);
  const [frame] = new FrameReader().push(encodeFrame({}, { numbers }));
  assert.deepEqual([...frame!.arrays.get('numbers')!], [1, 2]);
});

test('bytes that are no frame, and messages that are none of ours, are refused', () => {
  assert.throws(() => new FrameReader().push(Buffer.from('GET / HTTP/1.1\r\n')), /longer than any/);
  const frame = (text: string, payload = 0): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(text.length, 0);
    head.writeUInt32LE(payload, 4);
    return Buffer.concat([head, Buffer.from(text), Buffer.alloc(payload)]);
  };
  for (const [text, error] of [
    ['[]', /not an object/],
    ['{"arrays": [["a", "f32", 1]]}', /an array that is none/],
    ['{"arrays": [["a", "f64", 1]]}', /shorter than it says/],
  ] as const) {
    assert.throws(() => new FrameReader().push(frame(text)), error);
  }
  const parsed = (text: string) => parseFrame(new FrameReader().push(frame(text))[0]!);
  assert.throws(() => parsed('{"kind": "greeting"}'), /does not know/);
  assert.throws(
    () => parsed('{"kind": "progress", "fraction": "half", "message": ""}'),
    /wrong in "fraction"/,
  );
  assert.throws(() => parsed('{"kind": "error", "message": "m", "details": [1]}'), /wrong in "details"/);
});
