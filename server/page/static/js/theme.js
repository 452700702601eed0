// Shown before anything is drawn, so that nobody sees a flash of the other theme. settings.js does the rest.
try {
  const theme = localStorage.getItem("windsock.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // The browser keeps nothing: the system's theme it is.
}
