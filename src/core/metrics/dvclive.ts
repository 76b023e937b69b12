/**
 * DVCLive: one table per metric, `dvclive/plots/metrics/train/loss.tsv`, with the columns `timestamp` (not always),
 * `step` and the last part of the metric's name.
 */
import { csvFormat } from './csv.ts';
import type { MetricsFormat } from './types.ts';

const METRIC = /^(.*)[\\/]plots[\\/]metrics[\\/](.+)\.[ct]sv$/;

export const dvcLiveFormat: MetricsFormat = {
  id: 'dvclive',
  extensions: [],
  candidate: (path) => METRIC.test(path),
  anchor: (path) => METRIC.exec(path)?.[1] ?? path,
  open(path) {
    const table = csvFormat.open(path);
    const tag = (METRIC.exec(path)?.[2] ?? path).replaceAll('\\', '/');
    return {
      path,
      async poll(signal, atEnd) {
        const update = await table.poll(signal, atEnd);
        return { ...update, points: update.points.map((points) => ({ ...points, tag })) };
      },
    };
  },
};
