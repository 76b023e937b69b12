import type { Rgb } from './color.ts';

const known = new Map<string, Rgb>();
let probe: CanvasRenderingContext2D | undefined;

/** The colour as numbers, whatever notation the theme used; a canvas knows them all. */
export function rgbOf(color: string): Rgb {
  let rgb = known.get(color);
  if (rgb === undefined) {
    if (probe === undefined) {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 1;
      probe = canvas.getContext('2d', { willReadFrequently: true })!;
    }
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = probe.getImageData(0, 0, 1, 1).data;
    rgb = [red, green, blue];
    known.set(color, rgb);
  }
  return rgb;
}
