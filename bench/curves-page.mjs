// Runs inside the page, put in by curves.ts: makes the data, plays the host and the user, and takes the times.

window.bench = (() => {
  const QUANTITIES = ['loss', 'accuracy', 'grad norm', 'perplexity', 'throughput'];
  let size;
  /** As the extension host's watcher has them, and what cuts them into messages there. */
  let runs = [];
  let feed;
  let view;

  /** Small and the same everywhere. */
  function randomFrom(seed) {
    let state = seed >>> 0 || 1;
    return () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 32;
    };
  }

  /** A curve that falls, with noise and now and then a NaN. */
  function values(points, seed) {
    const random = randomFrom(seed * 7919 + 17);
    const out = new Float64Array(points);
    const level = 0.2 + random();
    const speed = 3 + 5 * random();
    for (let index = 0; index < points; index++) {
      const noise = (random() + random() - 1) * 0.4;
      out[index] =
        level + 2 * Math.exp((-speed * index) / points) + noise * (0.2 + Math.exp((-3 * index) / points));
    }
    for (let at = points >> 3; at < points; at += points >> 2) out.fill(NaN, at, at + points / 400);
    return out;
  }

  const runName = (run) => `/bench/run-${String(run).padStart(3, '0')}`;
  const tagOf = (series) =>
    size.runs > 1 ? QUANTITIES[series] : `${series % 2 === 0 ? 'train' : 'val'}/${QUANTITIES[series >> 1]}`;

  /** @param host our bundle of the host's own modules. */
  function make(wanted, host) {
    size = wanted;
    feed = new host.CurvesFeed();
    const steps = Array.from({ length: size.points }, (_, index) => index);
    const wallTimes = steps.map((step) => 1.7e12 + step * 50);
    const epochs = steps.map(() => NaN);
    runs = Array.from({ length: size.runs }, (_, run) => ({
      directory: runName(run),
      name: `run-${run}`,
      series: Array.from({ length: size.series }, (_, series) => ({
        tag: tagOf(series),
        source: `${runName(run)}/log`,
        steps,
        epochs,
        wallTimes,
        values: Array.from(values(size.points, run * size.series + series + 1)),
      })),
      checkpoints: [],
      averages: [],
      health: [],
    }));
  }

  /** All at once, so that what the host does is not counted to the page; and how long the first one took the host. */
  function messages() {
    const known = runs.map(({ directory, name }) => ({ directory, name }));
    view = {
      scanning: false,
      runs: known,
      wanted: known.map(({ directory }) => directory),
      shown: runs,
    };
    const begin = performance.now();
    const out = [feed.snapshot(view)];
    const host = performance.now() - begin;
    while (out.at(-1).more) out.push(feed.next(view));
    return { out, host };
  }

  const buffers = (value, found = []) => {
    if (value instanceof Float64Array) found.push(value.buffer);
    else if (typeof value === 'object' && value !== null)
      for (const one of Object.values(value)) buffers(one, found);
    return found;
  };
  const busy = () => document.querySelector('.content')?.getAttribute('aria-busy') !== 'false';
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  /** When the frame that is being made is done. */
  const painted = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(performance.now());
        port2.postMessage(0);
      }),
    );

  async function first() {
    const { out: all, host } = messages();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const begin = performance.now();
    // The host sends the next message when it hears that the last one has arrived.
    const send = () => {
      const message = all.shift();
      if (message !== undefined) window.postMessage(message, '*', buffers(message));
      else window.removeEventListener('message', send);
    };
    window.addEventListener('message', send);
    send();
    const plots = () => [...document.querySelectorAll('.plot')];
    let some;
    let glance;
    for (;;) {
      const at = (await painted()) - begin;
      if (plots().length === 0) continue;
      some ??= at;
      // The first message has an overview of every line: drawn is drawn.
      if (glance === undefined && plots().every((plot) => plot.getAttribute('aria-busy') === 'false')) {
        glance = { at, pixels: pixelsOf(plots()) };
      }
      if (busy()) continue;
      return { host, some, lines: glance.at, same: sharePainted(glance.pixels, pixelsOf(plots())), all: at };
    }
  }

  const pixelsOf = (plots) =>
    plots.map((plot) => {
      // A copy: a canvas that is read is drawn in another way from then on.
      const canvas = plot.querySelector('canvas');
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {
        willReadFrequently: true,
      });
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(0, 0, canvas.width, canvas.height).data;
    });

  /** Of all pixels that are painted in one or the other, how many have (nearly) the same colour in both. */
  function sharePainted(a, b) {
    let painted = 0;
    let same = 0;
    a.forEach((one, plot) => {
      for (let at = 0; at < one.length; at += 4) {
        if (one[at + 3] === 0 && b[plot][at + 3] === 0) continue;
        painted += 1;
        if ([0, 1, 2, 3].every((part) => Math.abs(one[at + part] - b[plot][at + part]) < 32)) same += 1;
      }
    });
    return same / painted;
  }

  /** Main thread's milliseconds of one step: the event, and the frame that it leads to. */
  async function step(act) {
    await frame();
    await new Promise((resolve) => setTimeout(resolve, 0));
    let start = 0;
    requestAnimationFrame(() => (start = performance.now()));
    const before = performance.now();
    act();
    const event = performance.now() - before;
    return event + (await painted()) - start;
  }

  const statistics = (times) => {
    const sorted = [...times].sort((a, b) => a - b);
    return {
      median: sorted[sorted.length >> 1],
      p95: sorted[Math.floor(sorted.length * 0.95)],
      max: sorted.at(-1),
    };
  };

  /** Zooms in to a thousandth, pans there and at a tenth, and zooms out. */
  const gesture = (index) =>
    index < 20
      ? { zoom: -100 }
      : index < 30
        ? { pan: 60 }
        : index < 42
          ? { zoom: 100 }
          : index < 52
            ? { pan: -80 }
            : { zoom: 100 };

  async function frames() {
    const canvas = document.querySelector('.plot canvas');
    const { left, width, top, height } = canvas.getBoundingClientRect();
    const wheel = (options) =>
      canvas.dispatchEvent(
        new WheelEvent('wheel', {
          clientX: left + 0.6 * width,
          clientY: top + height / 2,
          ctrlKey: true,
          bubbles: true,
          cancelable: true,
          ...options,
        }),
      );
    const times = [];
    for (let index = 0; index < 60; index++) {
      const { zoom, pan } = gesture(index);
      times.push(
        await step(() => wheel(zoom === undefined ? { deltaX: pan, shiftKey: true } : { deltaY: zoom })),
      );
    }
    const last = performance.now();
    while (busy()) await painted();
    return { ...statistics(times), sharp: performance.now() - last, times };
  }

  async function live() {
    const rate = 1000;
    const every = 250;
    const count = size.runs * size.series;
    let length = size.points;
    const gaps = [];
    const work = [];
    let stop = false;
    let last = performance.now();
    const watch = () => {
      const now = performance.now();
      gaps.push(now - last);
      last = now;
      if (!stop) requestAnimationFrame(watch);
    };
    await frame();
    last = performance.now();
    requestAnimationFrame(watch);
    const perSeries = Math.max(1, Math.round((rate * every) / 1000 / count));
    const series = Math.min(count, (rate * every) / 1000);
    for (let sent = 0; sent < 20; sent++) {
      // As when the watcher has read them. All series stand on the same steps.
      const { steps, wallTimes, epochs } = runs[0].series[0];
      for (let at = length; at < length + perSeries; at++) {
        steps.push(at);
        wallTimes.push(1.7e12 + at * 50);
        epochs.push(NaN);
      }
      for (let index = 0; index < series; index++) {
        const { values } = runs[Math.floor(index / size.series)].series[index % size.series];
        for (let at = length; at < length + perSeries; at++) values.push(0.5 + Math.sin(at));
      }
      length += perSeries;
      const message = feed.next(view);
      const before = performance.now();
      window.postMessage(message, '*');
      await new Promise((resolve) => setTimeout(resolve, 0));
      const handled = performance.now() - before;
      let start = 0;
      requestAnimationFrame(() => (start = performance.now()));
      work.push(handled + (await painted()) - start);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, every - (performance.now() - before))));
    }
    stop = true;
    return { pause: Math.max(...gaps), work: statistics(work).median };
  }

  let charts = [];

  /** The same lines in as many charts of the same size, as Chart.js draws them by itself. */
  async function peerFirst(decimation) {
    const groups = size.runs > 1 ? size.series : size.series / 2;
    const data = Array.from({ length: groups }, () => []);
    for (const [series, { values }] of runs.flatMap((run) => [...run.series.entries()])) {
      const points = Array.from(values, (y, x) => ({ x, y }));
      data[size.runs > 1 ? series : series >> 1].push({
        data: points,
        borderColor: `hsl(${(data.length * 77) % 360} 70% 60%)`,
        borderWidth: 1.5,
        pointRadius: 0,
      });
    }
    await frame();
    const begin = performance.now();
    charts = data.map((datasets) => {
      const box = document.createElement('div');
      box.style = 'display:inline-block;width:566px;height:288px';
      const canvas = document.createElement('canvas');
      box.append(canvas);
      document.body.append(box);
      return new Chart(canvas, {
        type: 'line',
        data: { datasets },
        options: {
          parsing: false,
          normalized: true,
          animation: false,
          maintainAspectRatio: false,
          scales: { x: { type: 'linear', min: 0, max: size.points } },
          plugins: { legend: { display: false }, decimation: { enabled: decimation, algorithm: 'min-max' } },
        },
      });
    });
    return (await painted()) - begin;
  }

  async function peerFrames() {
    const full = size.points;
    let view = { min: 0, max: full };
    const times = [];
    const started = performance.now();
    for (let index = 0; index < 60; index++) {
      const { zoom, pan } = gesture(index);
      const width = view.max - view.min;
      if (pan !== undefined) {
        const by = (pan / 1000) * width;
        view = { min: view.min + by, max: view.max + by };
      } else {
        const next = Math.min(full, width * Math.exp(zoom / 300));
        const about = view.min + 0.6 * width;
        const min = Math.min(Math.max(0, about - 0.6 * next), full - next);
        view = { min, max: min + next };
      }
      times.push(
        await step(() =>
          requestAnimationFrame(() => {
            for (const chart of charts) {
              chart.options.scales.x.min = view.min;
              chart.options.scales.x.max = view.max;
              chart.update('none');
            }
          }),
        ),
      );
      // A minute is enough to know.
      if (performance.now() - started > 60_000) break;
    }
    return { ...statistics(times), times };
  }

  return { make, first, frames, live, peerFirst, peerFrames };
})();
