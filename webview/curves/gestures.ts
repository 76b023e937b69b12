/** Pointer and keyboard on a chart: what they mean, without how it is drawn. */
import type { Box } from './overlay.ts';
import type { Range } from './state.ts';

/** The chart, as gestures see it. Pixels are CSS pixels of its canvas. */
export interface GestureTarget {
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  /** Where lines are drawn; undefined before the first picture. */
  area(): Box | undefined;
  /** Places on the x axis and values in view. */
  xAt(pixel: number): number;
  yAt(pixel: number): number;
  pixelAt(x: number): number;
  /** Whether a drag selects checkpoints rather than zooms. */
  selecting(): boolean;
  cursor(): number | undefined;
  /** Where the keyboard's cursor stops, in ascending order. */
  stops(): readonly number[];

  point(pixel: { readonly x: number; readonly y: number }): void;
  pointAt(x: number): void;
  leave(): void;
  activateAt(pixel: { readonly x: number; readonly y: number }): void;
  activateCursor(): void;
  showBox(box: Box | undefined): void;
  /** While checkpoints are being selected: from here to there. */
  showRange(range: Range | undefined): void;
  select(range: Range): void;
  /** What was selected goes to its average. */
  averageSelected(): void;
  /** Between two pixels. */
  zoomX(from: number, to: number): void;
  zoomY(range: Range): void;
  reset(): void;
}

/** Pixels below which a drag is a click, and a rectangle is meant along one axis only. */
const SLOP = 5;
const THIN = 14;

interface Drag {
  readonly x: number;
  readonly y: number;
  readonly kind: 'box' | 'pan' | 'select';
  /** Of a pan: the pixel that the view has been moved to. */
  at: number;
}

export class Gestures {
  readonly #target: GestureTarget;
  #drag: Drag | undefined;
  /** Where a selection by keyboard began. */
  #anchor: number | undefined;

  constructor(target: GestureTarget) {
    this.#target = target;
    const { element, canvas } = target;
    canvas.addEventListener('pointermove', (event) => this.#moved(event));
    canvas.addEventListener('pointerleave', () => {
      if (this.#drag === undefined) target.leave();
    });
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || target.area() === undefined) return;
      canvas.setPointerCapture(event.pointerId);
      const kind = event.shiftKey ? 'pan' : target.selecting() !== event.altKey ? 'select' : 'box';
      this.#drag = { x: event.offsetX, y: event.offsetY, kind, at: event.offsetX };
    });
    canvas.addEventListener('pointerup', (event) => this.#released(event));
    canvas.addEventListener('pointercancel', () => this.#cancel());
    canvas.addEventListener('dblclick', () => target.reset());
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    element.addEventListener('keydown', (event) => {
      if (event.target === element && target.area() !== undefined && this.#key(event)) event.preventDefault();
    });
    element.addEventListener('blur', () => this.#cancel());
  }

  #cancel(): void {
    this.#drag = undefined;
    this.#anchor = undefined;
    this.#target.showBox(undefined);
    this.#target.showRange(undefined);
    this.#target.leave();
  }

  /** Without Ctrl or Cmd (a pinch comes with it) the page scrolls; with Shift as well the view is moved. */
  #wheel(event: WheelEvent): void {
    const area = this.#target.area();
    if (!(event.ctrlKey || event.metaKey) || area === undefined) return;
    event.preventDefault();
    if (event.shiftKey) this.#pan(-(event.deltaX + event.deltaY) / 2);
    else this.#zoomBy(Math.exp(event.deltaY / 300), event.offsetX);
  }

  #moved(event: PointerEvent): void {
    const target = this.#target;
    if (target.area() === undefined) return;
    const drag = this.#drag;
    if (drag === undefined) {
      target.point({ x: event.offsetX, y: event.offsetY });
      return;
    }
    switch (drag.kind) {
      case 'pan':
        this.#pan(event.offsetX - drag.at);
        drag.at = event.offsetX;
        return;
      case 'select':
        target.showRange(this.#rangeTo(drag, event));
        return;
      case 'box':
        target.showBox(this.#boxTo(drag, event));
        return;
    }
  }

  #released(event: PointerEvent): void {
    const target = this.#target;
    const drag = this.#drag;
    this.#drag = undefined;
    target.showBox(undefined);
    target.showRange(undefined);
    const area = target.area();
    if (drag === undefined || area === undefined || drag.kind === 'pan') return;
    if (Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) < SLOP) {
      target.activateAt({ x: event.offsetX, y: event.offsetY });
    } else if (drag.kind === 'select') {
      target.select(this.#rangeTo(drag, event));
    } else {
      const box = this.#boxTo(drag, event);
      if (box === undefined) return;
      const { left, right, top, bottom } = box;
      if (top > area.top || bottom < area.bottom) {
        target.zoomY({ min: target.yAt(bottom), max: target.yAt(top) });
      }
      if (left > area.left || right < area.right) target.zoomX(left, right);
    }
  }

  #rangeTo({ x }: Drag, { offsetX }: PointerEvent): Range {
    const target = this.#target;
    return { min: target.xAt(Math.min(x, offsetX)), max: target.xAt(Math.max(x, offsetX)) };
  }

  /** The rectangle of a drag; one that is thin in a direction spans the whole chart in it. */
  #boxTo({ x, y }: Drag, { offsetX, offsetY }: PointerEvent): Box | undefined {
    const area = this.#target.area();
    if (area === undefined) return undefined;
    const clampX = (value: number): number => Math.min(Math.max(value, area.left), area.right);
    const clampY = (value: number): number => Math.min(Math.max(value, area.top), area.bottom);
    const wide = Math.abs(offsetX - x);
    const high = Math.abs(offsetY - y);
    if (Math.max(wide, high) < SLOP) return undefined;
    const wholeX = wide < THIN && high > wide;
    const wholeY = high < THIN && wide >= high;
    return {
      left: wholeX ? area.left : clampX(Math.min(x, offsetX)),
      right: wholeX ? area.right : clampX(Math.max(x, offsetX)),
      top: wholeY ? area.top : clampY(Math.min(y, offsetY)),
      bottom: wholeY ? area.bottom : clampY(Math.max(y, offsetY)),
    };
  }

  #zoomBy(factor: number, about: number): void {
    const { left, right } = this.#target.area()!;
    this.#target.zoomX(about - (about - left) * factor, about + (right - about) * factor);
  }

  #pan(pixels: number): void {
    const { left, right } = this.#target.area()!;
    this.#target.zoomX(left - pixels, right - pixels);
  }

  /** As the wheel and the rectangle do along y: about the middle. */
  #zoomYBy(factor: number): void {
    const { top, bottom } = this.#target.area()!;
    const middle = (top + bottom) / 2;
    const half = ((bottom - top) / 2) * factor;
    this.#target.zoomY({ min: this.#target.yAt(middle + half), max: this.#target.yAt(middle - half) });
  }

  /** True when the key meant something here. */
  #key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey) return false;
    const target = this.#target;
    const { left, right } = target.area()!;
    const cursor = target.cursor();
    switch (event.key) {
      case 'ArrowLeft':
      case 'ArrowRight': {
        const direction = event.key === 'ArrowLeft' ? -1 : 1;
        if (event.shiftKey) this.#pan(((left - right) / 5) * direction);
        else this.#walk(direction);
        return true;
      }
      case 'ArrowUp':
      case 'ArrowDown':
        if (!event.shiftKey) return false;
        this.#zoomYBy(event.key === 'ArrowUp' ? 0.5 : 2);
        return true;
      case 'Home':
        this.#pointAt(target.stops()[0]);
        return true;
      case 'End':
        this.#pointAt(target.stops().at(-1));
        return true;
      case '+':
      case '=':
      case '-':
        this.#zoomBy(
          event.key === '-' ? 2 : 0.5,
          cursor === undefined ? (left + right) / 2 : target.pixelAt(cursor),
        );
        return true;
      case '0':
        target.reset();
        return true;
      case 's':
        if (this.#anchor !== undefined) this.#finishSelection();
        else {
          if (cursor === undefined) this.#pointAt(target.stops()[0]);
          this.#anchor = target.cursor();
          this.#showSelection();
        }
        return true;
      case 'a':
        target.averageSelected();
        return true;
      case 'Escape':
        if (cursor === undefined && this.#anchor === undefined) return false;
        this.#cancel();
        return true;
      case 'Enter':
        if (this.#anchor !== undefined) this.#finishSelection();
        else if (cursor !== undefined) target.activateCursor();
        return true;
      default:
        return false;
    }
  }

  #finishSelection(): void {
    const range = this.#keyRange();
    this.#anchor = undefined;
    this.#target.showRange(undefined);
    if (range !== undefined) this.#target.select(range);
  }

  #keyRange(): Range | undefined {
    const cursor = this.#target.cursor();
    if (this.#anchor === undefined || cursor === undefined) return undefined;
    return { min: Math.min(this.#anchor, cursor), max: Math.max(this.#anchor, cursor) };
  }

  #showSelection(): void {
    this.#target.showRange(this.#keyRange());
  }

  #walk(direction: -1 | 1): void {
    const target = this.#target;
    const stops = target.stops();
    const cursor = target.cursor();
    if (cursor === undefined) {
      this.#pointAt(direction === 1 ? stops[0] : stops.at(-1));
      return;
    }
    // Half a pixel: the same place, but for rounding.
    const here = target.pixelAt(cursor);
    this.#pointAt(
      direction === 1
        ? stops.find((stop) => stop > cursor && target.pixelAt(stop) > here + 0.5)
        : stops.findLast((stop) => stop < cursor && target.pixelAt(stop) < here - 0.5),
    );
  }

  #pointAt(x: number | undefined): void {
    if (x === undefined) return;
    this.#target.pointAt(x);
    if (this.#anchor !== undefined) this.#showSelection();
  }
}
