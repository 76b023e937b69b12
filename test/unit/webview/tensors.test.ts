import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TensorInfo } from '../../../src/core/checkpoints/types.ts';
import { readFromTensors, readState, readToTensors } from '../../../webview/tensors/protocol.ts';
import {
  compareRows,
  filterBlocks,
  flattened,
  inSight,
  nameFilter,
  sorted,
  sortedBlocks,
  tensorRows,
  totals,
} from '../../../webview/tensors/rows.ts';
import { sampleCheckpoint, sampleComparison, sampleStatistics } from '../../e2e/webviews/tensorSamples.ts';

const channel = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

describe('messages of a tensors page', () => {
  test('a checkpoint and a comparison come through whole', () => {
    const checkpoint = {
      kind: 'checkpoint',
      checkpoint: sampleCheckpoint(2),
      statistics: sampleStatistics(),
    };
    assert.deepEqual(readToTensors(channel(checkpoint)), checkpoint);
    assert.deepEqual(readToTensors(channel(sampleComparison(2))), sampleComparison(2));
    assert.deepEqual(readToTensors(channel(sampleComparison(2, false))), sampleComparison(2, false));
  });

  test('statistics without a finite element are NaN again, not null', () => {
    const row = { name: 'w', min: NaN, max: NaN, mean: NaN, std: NaN, nan: 4, infinite: 0 };
    assert.deepEqual(readToTensors(channel({ kind: 'statistics', rows: [row] })), {
      kind: 'statistics',
      rows: [row],
    });
  });

  for (const message of [
    undefined,
    { kind: 'checkpoint' },
    { kind: 'checkpoint', checkpoint: { ...sampleCheckpoint(0), tensors: [{ name: 'w' }] }, statistics: [] },
    { kind: 'comparison', a: sampleCheckpoint(0) },
    { kind: 'statistics', rows: [{ name: 'w', min: '0' }] },
    { kind: 'running', fraction: 'half', tensor: '' },
  ]) {
    test(`to the page: refuses ${JSON.stringify(message ?? null).slice(0, 60)}`, () =>
      assert.equal(readToTensors(message), undefined));
  }

  test('what a page asks for is narrowed', () => {
    for (const message of [
      { kind: 'ready' },
      { kind: 'compute' },
      { kind: 'compute', tensors: ['w'] },
      { kind: 'compare' },
      { kind: 'cancel' },
      { kind: 'copy', text: 'w' },
    ]) {
      assert.deepEqual(readFromTensors(message), message);
    }
    for (const message of [
      null,
      { kind: 'compute', tensors: 'all' },
      { kind: 'compute', tensors: [1] },
      { kind: 'copy', text: 'x'.repeat(65537) },
      { kind: 'open', path: '/etc/passwd' },
    ]) {
      assert.equal(readFromTensors(message), undefined);
    }
  });

  test('a state of an older version is forgotten, not obeyed', () => {
    const state = {
      filter: 'a',
      sort: { column: 'name', direction: 'ascending' },
      subject: { a: '1', b: '2' },
    };
    assert.deepEqual(readState(channel(state)), state);
    for (const bad of [undefined, 7, { ...state, sort: { column: 'name', direction: 'up' } }]) {
      assert.deepEqual(readState(bad), { filter: '', sort: null });
    }
  });
});

describe('rows of one checkpoint', () => {
  const tensors: readonly TensorInfo[] = [
    { name: 'a', dtype: 'BF16', shape: [3, 4] },
    { name: 'scalar', dtype: 'F64', shape: [] },
    { name: 'tied', dtype: 'BF16', shape: [3, 4], aliasOf: 'a' },
  ];

  test('parameters and bytes, shared elements once', () => {
    const rows = tensorRows(tensors, new Map());
    assert.deepEqual(
      rows.map(({ elements, bytes }) => [elements, bytes]),
      [
        [12, 24],
        [1, 8],
        [12, 0],
      ],
    );
    assert.deepEqual(totals(rows), { elements: 13, bytes: 32 });
  });

  test('statistics find their tensor', () => {
    const [first] = sampleStatistics();
    const rows = tensorRows(tensors, new Map([['scalar', { ...first!, name: 'scalar' }]]));
    assert.deepEqual(
      rows.map(({ statistics }) => statistics?.name),
      [undefined, 'scalar', undefined],
    );
  });
});

test('filter: a part of the name in any case, or an expression', () => {
  const names = ['Conv.weight', 'conv.bias', 'head.weight', 'a/b'];
  const kept = (text: string) => names.filter(nameFilter(text)!);
  assert.deepEqual(kept(''), names);
  assert.deepEqual(kept(' CONV '), ['Conv.weight', 'conv.bias']);
  assert.deepEqual(kept('.weight'), ['Conv.weight', 'head.weight'], 'a dot is a dot');
  assert.deepEqual(kept('/^conv/'), ['conv.bias']);
  assert.deepEqual(kept('/^conv/i'), ['Conv.weight', 'conv.bias']);
  assert.deepEqual(kept('/weight|bias/g'), names.slice(0, 3), 'no state from one name to the next');
  assert.deepEqual(kept('a/b'), ['a/b']);
  assert.equal(nameFilter('/(/'), undefined);
  assert.equal(nameFilter('/a/zz'), undefined);
});

test('sort: numbers in names by value, unknown values last in both directions, equal ones stay', () => {
  const names = ['l.10', 'l.2', 'l.1'];
  assert.deepEqual(
    sorted(names, (name) => name, 'ascending'),
    ['l.1', 'l.2', 'l.10'],
  );
  const rows = [
    { id: 'a', value: NaN },
    { id: 'b', value: 1 },
    { id: 'c', value: undefined },
    { id: 'd', value: Infinity },
    { id: 'e', value: 1 },
  ];
  const order = (direction: 'ascending' | 'descending') =>
    sorted(rows, ({ value }) => value, direction)
      .map(({ id }) => id)
      .join('');
  assert.equal(order('ascending'), 'bedac');
  assert.equal(order('descending'), 'dbeac');
});

test('what is in sight, at both ends and in the middle of 20,000 rows', () => {
  const rowHeight = 22;
  const sight = (scrollTop: number) => inSight(scrollTop, 440, rowHeight, 20_000);
  assert.deepEqual(sight(0), { first: 0, end: 28 });
  assert.deepEqual(sight(22 * 1000), { first: 992, end: 1028 });
  assert.deepEqual(sight(22 * 19_980), { first: 19_972, end: 20_000 });
  assert.deepEqual(sight(-50), { first: 0, end: 28 }, 'rubber-band scrolling');
  // A filter has just left three rows, and the scroll position is still the old one.
  const few = inSight(22 * 19_000, 440, rowHeight, 3);
  assert.deepEqual(few, { first: 2, end: 3 });
  assert.deepEqual(inSight(0, 440, rowHeight, 0), { first: 0, end: 0 });
});

describe('rows of a comparison', () => {
  const { a, b, changes } = sampleComparison(3);
  const { differences, layers } = compareRows(a.tensors, b.tensors, changes);

  test('what is not the same in both comes apart from the rest', () => {
    assert.deepEqual(
      differences.map(({ name, a: left, b: right }) => [name, left?.shape, right?.shape]),
      [
        ['embed.weight', [50257, 768], [50304, 768]],
        ['position_ids', [1, 1024], undefined],
        ['blocks.0.attn.scale', undefined, [12]],
      ],
    );
    for (const { relative } of differences) assert.ok(Number.isNaN(relative));
    const below = flattened(layers);
    assert.ok(below.every(({ name }) => !differences.some((difference) => difference.name === name)));
    assert.equal(below.filter(({ kind }) => kind === 'tensor').length, changes!.length);
  });

  test('layers by their relative change, tensors below them', () => {
    const changeOf = layers.map(({ head, rows }) => (head ?? rows[0]!).relative);
    assert.deepEqual(
      changeOf,
      changeOf.toSorted((x, y) => y - x),
    );
    const norm = layers.find(({ head }) => head?.name === 'blocks.1.norm');
    assert.deepEqual(norm?.rows.map(({ name, indented }) => [name, indented]).toSorted(), [
      ['blocks.1.norm.bias', true],
      ['blocks.1.norm.weight', true],
    ]);
    assert.ok(norm.rows[0]!.relative >= norm.rows[1]!.relative);
    assert.equal(
      layers.find(({ head, rows }) => head === undefined && rows.length !== 1),
      undefined,
    );
  });

  test('filtering keeps a layer with what is left of it; sorting keeps them together', () => {
    const kept = filterBlocks(layers, (name) => name.endsWith('.bias'));
    assert.deepEqual(new Set(kept.map(({ rows }) => rows.length)), new Set([1]));
    const names = flattened(sortedBlocks(kept, ({ name }) => name, 'ascending')).map(({ name }) => name);
    assert.deepEqual(names.slice(0, 4), [
      'blocks.0.mlp.down',
      'blocks.0.mlp.down.bias',
      'blocks.0.mlp.up',
      'blocks.0.mlp.up.bias',
    ]);
  });

  test('before the numbers are known: all tensors, in the order of the file', () => {
    const before = compareRows(a.tensors, b.tensors, undefined);
    assert.equal(before.differences.length, 3);
    assert.deepEqual(
      flattened(before.layers).map(({ name }) => name),
      changes!.map(({ name }) => name),
    );
    assert.ok(flattened(before.layers).every(({ relative }) => Number.isNaN(relative)));
  });
});
