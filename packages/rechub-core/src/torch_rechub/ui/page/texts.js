// The texts of the page in both languages.

const ENGLISH = {
  title: "Runs", skip: "Skip to the table", filter: "Filter", columns: "Columns", csv: "CSV",
  filterHint: "Filter: name, tag:night, status:failed, lr>0.01, val/auc>=0.8",
  narrow: "Narrow down", curves: "Curves", language: "中文", toDark: "Dark", toLight: "Light",
  count: (shown, all) => `${shown === all ? "" : `${shown} of `}${all} ${all === 1 ? "run" : "runs"}`,
  reading: (done, all) => `Reading ${done} of ${all} files`, live: "Live", lost: "Not connected",
  lostLong: "The server does not answer. Is rechub ui still running? Trying again.",
  empty: "No runs yet. They appear here as soon as training begins.",
  nothing: "No run matches the filter.", clear: "Clear the filter",
  problems: (n) => (n === 1 ? "1 warning while reading" : `${n} warnings while reading`),
  name: "Name", status: "Status", group: "Group", tags: "Tags", project: "Project",
  backend: "Tracker", started: "Started", seconds: "Duration", epochs: "Epochs", error: "Error",
  run: "Run id", parent: "Parent", path: "File",
  best: (metric) => `best ${metric}`, last: (metric) => `last ${metric}`,
  finished: "finished", failed: "failed", interrupted: "interrupted", unfinished: "unfinished",
  pruned: "pruned",
  fields: "Fields", params: "Hyper-parameters", bests: "Best values", lasts: "Last values",
  search: "Search", reset: "Reset", allShown: "Nothing else",
  select: (name) => `Draw the curves of ${name}`, selectFirst: "Draw the first ten rows",
  unselect: (name) => `Remove ${name} from the curves`, unselectAll: "Remove all",
  sortBy: (name) => `Sort by ${name}`,
  metric: "Metric", logarithmic: "Log", removeChart: "Remove this chart", addChart: "Add a chart",
  by: "Average over", byRun: "nothing", bySeed: "seeds", byGroup: "groups",
  noSelection: "Select runs in the table to draw their curves.",
  noValues: "None of the selected runs has numbers for this metric.",
  step: "step", n: (n) => `${n} runs`, band: "mean ± standard deviation",
  chart: (metric, n) => `Curves of ${metric}: ${n}. Left and right arrows show the values.`,
  more: (n) => `and ${n} more`, back: "Back to the curves", loading: "Loading",
  overview: "Overview", metrics: "Metrics", texts: "Texts", histograms: "Histograms",
  tables: "Tables", figures: "Figures", files: "Artifacts", relatives: "Related runs",
  bestColumn: "best", at: "step", lastColumn: "last", points: "records", direction: "better",
  max: "larger", min: "smaller", lostValues: (n) => `${n} not finite`,
  noParams: "No hyper-parameters are recorded.", filterParams: "Find a hyper-parameter",
  rows: (shown, all) => (shown === all ? `${all} rows` : `the first ${shown} of ${all} rows`),
  child: "continued by", parentOf: "continues", gone: "This run is not there any more.",
  searches: "Searches", histogram: (name, step) => `Histogram of ${name} at step ${step}`,
};

const CHINESE = {
  title: "运行", skip: "跳到表格", filter: "筛选", columns: "列", csv: "CSV",
  filterHint: "筛选：名称、tag:night、status:failed、lr>0.01、val/auc>=0.8",
  narrow: "缩小范围", curves: "曲线", language: "English", toDark: "深色", toLight: "浅色",
  count: (shown, all) => (shown === all ? `${all} 个运行` : `${shown} / ${all} 个运行`),
  reading: (done, all) => `正在读取 ${done} / ${all} 个文件`, live: "实时", lost: "未连接",
  lostLong: "服务器没有响应。rechub ui 还在运行吗？正在重试。",
  empty: "还没有运行。训练一开始就会显示在这里。",
  nothing: "没有符合筛选条件的运行。", clear: "清除筛选",
  problems: (n) => `读取时有 ${n} 条警告`,
  name: "名称", status: "状态", group: "组", tags: "标签", project: "项目", backend: "记录器",
  started: "开始时间", seconds: "时长", epochs: "轮数", error: "错误", run: "运行 ID",
  parent: "父运行", path: "文件",
  best: (metric) => `最佳 ${metric}`, last: (metric) => `最后 ${metric}`,
  finished: "完成", failed: "失败", interrupted: "中断", unfinished: "未结束", pruned: "已剪枝",
  fields: "字段", params: "超参数", bests: "最佳值", lasts: "最后值",
  search: "搜索", reset: "恢复默认", allShown: "没有其他内容",
  select: (name) => `绘制 ${name} 的曲线`, selectFirst: "绘制前十行",
  unselect: (name) => `从曲线中移除 ${name}`, unselectAll: "全部移除",
  sortBy: (name) => `按${name}排序`,
  metric: "指标", logarithmic: "对数", removeChart: "移除此图", addChart: "添加图",
  by: "取平均", byRun: "不取", bySeed: "随机种子", byGroup: "组",
  noSelection: "在表格中选择运行以绘制曲线。",
  noValues: "所选运行都没有此指标的数值。",
  step: "步", n: (n) => `${n} 个运行`, band: "均值 ± 标准差",
  chart: (metric, n) => `${metric} 的曲线：${n} 条。用左右方向键查看数值。`,
  more: (n) => `还有 ${n} 个`, back: "返回曲线", loading: "正在加载",
  overview: "概览", metrics: "指标", texts: "文本", histograms: "直方图",
  tables: "表格", figures: "图片", files: "产物", relatives: "相关运行",
  bestColumn: "最佳", at: "步", lastColumn: "最后", points: "记录数", direction: "更优",
  max: "越大越好", min: "越小越好", lostValues: (n) => `${n} 个非有限值`,
  noParams: "没有记录超参数。", filterParams: "查找超参数",
  rows: (shown, all) => (shown === all ? `${all} 行` : `前 ${shown} 行，共 ${all} 行`),
  child: "后续运行", parentOf: "延续自", gone: "此运行已不存在。",
  searches: "搜索过程", histogram: (name, step) => `${name} 在第 ${step} 步的直方图`,
};

// The words of search.js, which has the English ones.
const SEARCH_CHINESE = {
  search: "搜索", trials: "个试验", trial: "试验", seeds: "个种子", value: "值",
  finished: "完成", pruned: "已剪枝", failed: "失败", unfinished: "未结束",
  best: "到目前为止的最佳值", parameters: "各试验的参数", importance: "重要性",
  select: "沿坐标轴拖动以选择试验；双击恢复全部。",
  share: "一个参数单独能解释的名次差异的比例（Kruskal-Wallis 检验的 η²；被剪枝的试验并列最后，不计交互作用）。",
  few: "重要性需要 16 个已结束的试验，且参数至少有两个取值。",
  hidden: "个试验未绘制",
};

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off
  }
}

export function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // the choice lasts as long as the page
  }
}

let language = stored("rechub-language") || document.documentElement.lang;

export function t(key, ...values) {
  const text = (language === "zh" ? CHINESE : ENGLISH)[key];
  return typeof text === "function" ? text(...values) : text;
}

export const searchWords = () => (language === "zh" ? SEARCH_CHINESE : {});

export const locale = () => (language === "zh" ? "zh-CN" : "en-US");

export function applyLanguage(next = language) {
  if (next !== language) store("rechub-language", next);
  language = next === "zh" ? "zh" : "en";
  document.documentElement.lang = language;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = t(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-hint]")) {
    element.placeholder = t(element.dataset.hint);
  }
}

export const otherLanguage = () => (language === "zh" ? "en" : "zh");

export function applyTheme(next = stored("rechub-theme")) {
  if (next) {
    document.documentElement.dataset.theme = next;
    store("rechub-theme", next);
  }
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
