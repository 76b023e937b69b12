import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { readCsv } from '../../../src/core/task/csv.ts';
import { directoryWith } from './temporary.ts';

function table(context: TestContext, text: string): string {
  return path.join(directoryWith(context, { 't.csv': text }), 't.csv');
}

test('reads several selections of one table', async (context) => {
  const file = table(context, '\uFEFFa,b,"c, d",label\r\n1,-2.5,1e-3,0\r\n\r\n+4,.5, 6 ,2\r\n');
  const [numbers, named, all] = await readCsv(file, undefined, [
    { columns: '2,0-1', scale: 2 },
    { columns: 'label' },
    {},
  ]);
  assert.deepEqual([numbers!.rows, numbers!.shape], [2, [3]]);
  assert.deepEqual([...numbers!.values], [Math.fround(0.002), 2, -5, 12, 8, 1]);
  assert.deepEqual([...named!.values], [0, 2]);
  assert.deepEqual(all!.shape, [4]);
});

test('a header line is guessed, or as declared', async (context) => {
  const numbers = table(context, '1,2\n3,4\n');
  const rows = async (header?: boolean) => (await readCsv(numbers, header, [{}]))[0]!.rows;
  assert.equal(await rows(), 2);
  assert.equal(await rows(true), 1);
  // Column names that are numbers beside one that is not, as pandas writes an unnamed frame with a label.
  assert.equal((await readCsv(table(context, '0,1,label\n1,2,3\n'), undefined, [{}]))[0]!.rows, 1);
});

test('more rows than fit in the first buffer', async (context) => {
  const file = table(context, Array.from({ length: 5000 }, (_, row) => `${row},${-row}`).join('\n'));
  const [block] = await readCsv(file, false, [{}]);
  assert.equal(block!.rows, 5000);
  assert.deepEqual([...block!.values.slice(-2)], [4999, -4999]);
});

const BAD: readonly (readonly [name: string, text: string, where: string, what: RegExp])[] = [
  ['an empty cell', 'a,b\n1,2\n3,\n', '3:3', /: column 1 \("b"\) has an empty cell, which is no number/],
  ['text', '1,2\n3,x\n', '2:3', /: column 1 has "x", which/],
  ['NaN in the first line', '1,nan\n3,4\n', '1:3', /: column 1 has "nan"/],
  ['infinity', '1,2\n-Infinity,4\n', '2:1', /: column 0 has "-Infinity"/],
  ['hexadecimal', '1,2\n0x10,4\n', '2:1', /: column 0 has "0x10"/],
  ['a number that float32 does not hold', '1,2\n3,1e39\n', '2:3', /: column 1 has "1e39"/],
  ['a bad cell behind a quoted comma', 'a,b\n"1",2\n"3",y\n', '3:5', /: column 1 \("b"\) has "y"/],
  ['a short line', '1,2\n3\n', '2', /: this line has 1 cells, the first one has 2\./],
  ['a long line', '1,2\n\n3,4,5\n', '3', /: this line has 3 cells/],
  ['an open quote', '1,2\n"3,4\n', '', /: this is not valid CSV\./],
];
for (const [name, text, where, what] of BAD) {
  test(`points at ${name}`, async (context) => {
    const file = table(context, text);
    await assert.rejects(readCsv(file, undefined, [{}]), (error: Error & { place: object; code: string }) => {
      assert.equal(error.code, 'bad-data');
      assert.match(error.message, what);
      if (where === '') return true;
      assert.ok(error.message.startsWith(`${file}:${where}: `), error.message);
      const [line, column] = where.split(':').map(Number);
      assert.deepEqual(error.place, { path: file, line, ...(column === undefined ? {} : { column }) });
      return true;
    });
  });
}

test('columns that are not there are refused', async (context) => {
  const named = table(context, 'a,b,b\n1,2,3\n');
  const choose = (columns: string) => readCsv(named, undefined, [{ columns }]);
  await assert.rejects(choose('c'), /no column is called "c"/);
  await assert.rejects(choose('b'), /2 columns are called "b"/);
  await assert.rejects(choose('0-3'), /goes past the last column, 2/);
  await assert.rejects(choose('2-1'), /runs backwards/);
  await assert.rejects(choose('0-1,1'), /names column 1 \("b"\) twice/);
  await assert.rejects(readCsv(table(context, '1,2\n'), undefined, [{ columns: 'a' }]), /has no header line/);
});

test('a table without rows is refused', async (context) => {
  await assert.rejects(readCsv(table(context, ''), undefined, [{}]), {
    code: 'bad-data',
    message: /holds no rows/,
  });
  await assert.rejects(readCsv(table(context, 'a,b\n'), undefined, [{}]), { message: /holds no rows/ });
});

test('stops when cancelled', async (context) => {
  await assert.rejects(readCsv(table(context, '1\n'), false, [{}], AbortSignal.abort()), {
    code: 'cancelled',
  });
});
