import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curvesSvg, type Picture, type SvgLook } from '../../../webview/curves/svg.ts';

const look: SvgLook = {
  title: 'a & b',
  background: '#101010',
  foreground: '#eeeeee',
  muted: '#999999',
  grid: '#999999',
  font: '"Segoe UI", sans-serif',
  fontSize: 13,
};
const line = { color: '#59a4f9', width: 1.5, dash: [], faint: false };
const picture = (more: Partial<Picture> = {}): Picture => ({
  width: 400,
  height: 200,
  area: { left: 40, top: 8, right: 390, bottom: 160 },
  xTicks: [{ at: 100, label: '5' }],
  yTicks: [{ at: 50, label: '0.5' }],
  xTitle: 'epoch',
  lines: [],
  marks: [],
  ...more,
});
const svgOf = (...pictures: readonly Picture[]): string =>
  curvesSvg(
    pictures.map((one, i) => ({
      title: `Loss <${i}>`,
      legend: [{ text: 'val/loss', ...line, dash: [7, 4] }],
      picture: one,
    })),
    look,
  );

test('a line is a path with a gap where the curve has one; a lone point is a dot', () => {
  const stretches = [
    [
      [40, 20],
      [50.126, 30.5],
    ],
    [[60, 40]],
    [
      [70, 50],
      [80, 60],
      [90, 55],
    ],
  ] as const;
  const text = svgOf(picture({ lines: [{ ...line, stretches }] }));
  assert.match(
    text,
    /<path d="M40 20L50\.13 30\.5M70 50L80 60L90 55" stroke="#59a4f9" stroke-width="1\.5"\/>/,
  );
  assert.match(text, /<circle cx="60" cy="40" r="2\.5" fill="#59a4f9"\/>/);
});

test('charts stand below each other, each with its own clip, axes, title and legend; text is escaped', () => {
  const text = svgOf(picture(), picture({ width: 500, height: 100 }));
  assert.match(text, /^<svg [^>]*width="524" height="408" viewBox="0 0 524 408"/);
  assert.match(text, /<title>a &amp; b<\/title>/);
  assert.match(text, /Loss &lt;0&gt;/);
  assert.match(text, /font-family="&quot;Segoe UI&quot;, sans-serif"/);
  assert.equal(text.match(/<clipPath id="area-\d"/g)?.length, 2);
  assert.match(text, /translate\(12 12\)[\s\S]*translate\(12 260\)/);
  assert.equal(text.match(/>0\.5<\/text>/g)?.length, 2);
  assert.match(text, /stroke-dasharray="7 4"/);
});

test('marks: checkpoints, the best value, an average with its interval', () => {
  const text = svgOf(
    picture({
      marks: [
        { kind: 'checkpoint', at: [100, 80], color: '#eeeeee', title: 'epoch-1' },
        { kind: 'best-low', at: [120, 90], color: '#59a4f9', title: '' },
        { kind: 'average', at: [200, 70], color: '#ffcc00', title: 'twa-1', interval: [60, 85] },
      ],
    }),
  );
  assert.match(text, /<path d="M100 75v10"[^>]*><title>epoch-1<\/title><\/path>/);
  assert.match(text, /<path d="M120 87l-4\.5 -8h9z"/);
  assert.match(text, /<path d="M200 60V85M196\.5 60h7M196\.5 85h7"/);
  assert.match(text, /<title>twa-1<\/title>/);
});

test('a name with control characters does not break the XML', () => {
  const text = curvesSvg([], { ...look, title: 'a\u0000\u001b[31mb' });
  assert.match(text, /<title>a\[31mb<\/title>/);
});
