document.title = "here"; // a script
