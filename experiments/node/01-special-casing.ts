/**
 * Row 1: how much special-casing is it? Every place of mm that asks about memory set apart, how
 * many of them each backend makes answer "special", and how often, over one program that uses as
 * many services of mm as it can.
 */
import { defineProbe, type Figures, hookMap, tourBackends } from '@mm-lab/lab';

function probe(): Figures {
  const { siteCount, otherSites, functionCount, rfcEntries, rfcFunctions } = hookMap();
  const functions = `${functionCount} functions (RFC: ${rfcFunctions})`;
  const title = `${siteCount} sites, ${otherSites} not the RFC’s; ${functions}`;
  const values: Record<string, number> = {
    'sites.published': siteCount,
    'sites.not_of_rfc': otherSites,
    'sites.kernel_functions': functionCount,
    'rfc.entries': rfcEntries,
    'rfc.functions': rfcFunctions,
  };
  const reports = tourBackends().map(({ backend, sites, hooks }) => {
    return { name: backend, sites, hooks: [...hooks].filter(([, calls]) => calls > 0) };
  });
  const backends = reports.map(({ name, sites, hooks }) => {
    const used = sites.filter(({ managed }) => managed > 0);
    values[`sites_used.${name.replaceAll(' ', '_')}`] = used.length;
    return [
      name,
      sites.filter(({ asked }) => asked > 0).length,
      used.length,
      sites.reduce((sum, { asked }) => sum + asked, 0),
      used.reduce((sum, { managed }) => sum + managed, 0),
      hooks.length,
      hooks.reduce((sum, [, calls]) => sum + calls, 0),
    ];
  });
  const perSite = (reports[0]?.sites ?? []).flatMap(({ name }, at) => {
    const yes = reports.map(({ sites }) => sites[at]?.managed ?? 0);
    return yes.every((count) => count === 0) ? [] : [[name, ...yes]];
  });
  return {
    values,
    tables: [
      {
        name: 'backends',
        title,
        columns: ['backend', 'reached', 'said special', 'asked', 'yes', 'hooks called', 'calls'],
        rows: backends,
      },
      {
        name: 'sites',
        title: 'How often each site got the answer "special", by backend',
        columns: ['site', ...reports.map(({ name }) => name)],
        rows: perSite,
      },
    ],
  };
}

export default defineProbe({
  question: 'How many places of mm ask about memory set apart, and who needs them?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Without a private node no site ever says special.',
      holds: (results) => results.figure('sites_used.none') === 0,
    },
    {
      text: 'No backend makes use of every site that the program reached.',
      holds: (results) => {
        const reached = results.column('backends', 'reached').map(Number);
        const used = results.column('backends', 'said special').map(Number);
        return used.every((count, at) => count < (reached[at] ?? 0));
      },
    },
    {
      text: 'Device-private pages meet few of them: they are on no list and in no page table.',
      holds: (results) =>
        results.figure('sites_used.ZONE_DEVICE') < results.figure('sites_used.coherent') / 2,
    },
    {
      text: 'Binding alone needs no fewer sites than CRAM, though it brings fewer hooks.',
      holds: (results) =>
        results.figure('sites_used.bind_only') >= results.figure('sites_used.CRAM'),
    },
  ],
});
