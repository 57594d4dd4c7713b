// A theme chosen earlier applies before the first paint; this is no module, because modules wait.
(() => {
  const asked = new URLSearchParams(location.search).get('theme');
  let kept = null;
  try {
    kept = localStorage.getItem('theme');
  } catch { /* storage may be forbidden: then the system decides */ }
  const theme = asked ?? kept;
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
